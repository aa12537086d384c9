using System.Text.Json.Serialization;
using MassTransit;

namespace Governor.Contracts;

/// <summary>Register a runtime, or give it other labels. Answered by <see cref="CommandAccepted"/> or <see cref="CommandRejected"/>.</summary>
/// <param name="CommandId">Names this command within its tenant: 1 to 200 printable ASCII characters. The same again is
/// answered as before and changes nothing; the same id with other content is rejected.</param>
/// <param name="RequestedBy">Who asks, for the record: 1 to 256 characters.</param>
/// <param name="RuntimeId">Id of the runtime, a DNS label, unique across tenants.</param>
/// <param name="Kind">Kind of the runtime; it does not change.</param>
/// <param name="Labels">All of its labels; absent means none.</param>
/// <param name="Tenant">Owner of the runtime; absent means <c>default</c>.</param>
[EntityName("governor-register-runtime")]
[MessageUrn("governor:register-runtime")]
public sealed record RegisterRuntime(
    string CommandId,
    string RequestedBy,
    string RuntimeId,
    string Kind,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyDictionary<string, string>? Labels = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Tenant = null);

/// <summary>Take a runtime out of the fleet: it is assigned nothing, reports that nothing is left, and goes. Answered by
/// <see cref="CommandAccepted"/> or <see cref="CommandRejected"/>.</summary>
/// <param name="CommandId">Names this command within its tenant: 1 to 200 printable ASCII characters. The same again is
/// answered as before and changes nothing; the same id with other content is rejected.</param>
/// <param name="RequestedBy">Who asks, for the record: 1 to 256 characters.</param>
/// <param name="RuntimeId">Id of the runtime.</param>
/// <param name="Force">Whether it goes at once, without waiting for its Agent.</param>
/// <param name="Tenant">Owner of the runtime; absent means <c>default</c>.</param>
[EntityName("governor-deregister-runtime")]
[MessageUrn("governor:deregister-runtime")]
public sealed record DeregisterRuntime(
    string CommandId,
    string RequestedBy,
    string RuntimeId,
    bool Force = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Tenant = null);
