using System.Text.Json.Serialization;
using MassTransit;

namespace Governor.Contracts;

/// <summary>Abort a rollout: what waits is cancelled, and runtimes that were sent it and have not applied it get back what they
/// held. Answered by <see cref="CommandAccepted"/> or <see cref="CommandRejected"/>.</summary>
/// <param name="CommandId">Names this command within its tenant: 1 to 200 printable ASCII characters. The same again is
/// answered as before and changes nothing; the same id with other content is rejected.</param>
/// <param name="RequestedBy">Who asks, for the record: 1 to 256 characters.</param>
/// <param name="RolloutId">The rollout.</param>
/// <param name="Tenant">Owner of the rollout; absent means <c>default</c>.</param>
[EntityName("governor-abort-rollout")]
[MessageUrn("governor:abort-rollout")]
public sealed record AbortRollout(
    string CommandId,
    string RequestedBy,
    string RolloutId,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Tenant = null);

/// <summary>Roll a rollout back: a new revision with the content that was good last goes to the runtimes that were sent this one.
/// Answered by <see cref="CommandAccepted"/> or <see cref="CommandRejected"/>.</summary>
/// <param name="CommandId">Names this command within its tenant: 1 to 200 printable ASCII characters. The same again is
/// answered as before and changes nothing; the same id with other content is rejected.</param>
/// <param name="RequestedBy">Who asks, for the record: 1 to 256 characters.</param>
/// <param name="RolloutId">The rollout.</param>
/// <param name="Tenant">Owner of the rollout; absent means <c>default</c>.</param>
[EntityName("governor-roll-back-rollout")]
[MessageUrn("governor:roll-back-rollout")]
public sealed record RollBackRollout(
    string CommandId,
    string RequestedBy,
    string RolloutId,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Tenant = null);
