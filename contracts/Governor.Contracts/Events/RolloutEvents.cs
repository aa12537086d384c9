using MassTransit;

namespace Governor.Contracts;

/// <summary>A rollout has left its plan and begins to reach runtimes. Public event.</summary>
/// <param name="RolloutId">The rollout.</param>
/// <param name="Tenant">Owner of the configuration.</param>
/// <param name="Configuration">The configuration rolled out, where it is one.</param>
/// <param name="Revision">Its revision, where it is a configuration.</param>
/// <param name="Targets">Number of targets.</param>
/// <param name="StartedAt">When, UTC.</param>
/// <param name="Credential">The credential rolled out, where it is one.</param>
/// <param name="Version">Its version, where it is a credential.</param>
[EntityName("governor.rollout-started")]
[MessageUrn("governor:rollout-started")]
public sealed record RolloutStarted(
    string RolloutId,
    string Tenant,
    string? Configuration,
    int? Revision,
    int Targets,
    DateTimeOffset StartedAt,
    string? Credential = null,
    int? Version = null);

/// <summary>Nothing in a wave is waiting or on its way any more. Public event.</summary>
/// <param name="RolloutId">The rollout.</param>
/// <param name="Tenant">Owner of the configuration.</param>
/// <param name="Wave">Number of the wave, from 0.</param>
/// <param name="Counts">Number of its targets per target state; states without targets are left out.</param>
/// <param name="CompletedAt">When, UTC.</param>
[EntityName("governor.wave-completed")]
[MessageUrn("governor:wave-completed")]
public sealed record WaveCompleted(
    string RolloutId,
    string Tenant,
    int Wave,
    IReadOnlyDictionary<string, int> Counts,
    DateTimeOffset CompletedAt);

/// <summary>A rollout has come to its final state. Public event.</summary>
/// <param name="RolloutId">The rollout.</param>
/// <param name="Tenant">Owner of the configuration.</param>
/// <param name="Configuration">The configuration rolled out, where it is one.</param>
/// <param name="Revision">Its revision, where it is a configuration.</param>
/// <param name="State">The final state, for example <c>Succeeded</c>.</param>
/// <param name="Reason">Why it ended so, where that needs saying.</param>
/// <param name="Counts">Number of targets per target state; states without targets are left out.</param>
/// <param name="CompletedAt">When, UTC.</param>
/// <param name="Credential">The credential rolled out, where it is one.</param>
/// <param name="Version">Its version, where it is a credential.</param>
[EntityName("governor.rollout-completed")]
[MessageUrn("governor:rollout-completed")]
public sealed record RolloutCompleted(
    string RolloutId,
    string Tenant,
    string? Configuration,
    int? Revision,
    string State,
    string? Reason,
    IReadOnlyDictionary<string, int> Counts,
    DateTimeOffset CompletedAt,
    string? Credential = null,
    int? Version = null);
