using System.Text.Json;
using System.Text.Json.Serialization;
using MassTransit;

namespace Governor.Contracts;

/// <summary>Give a credential a new version, and bring it to every runtime that uses it; makes the credential if there is none.
/// Answered by <see cref="CommandAccepted"/> or <see cref="CommandRejected"/>.</summary>
/// <remarks>Secrets never travel in clear: a command with entries in clear is refused and discarded.</remarks>
/// <param name="CommandId">Names this command within its tenant: 1 to 200 printable ASCII characters. The same again is
/// answered as before and changes nothing; the same id with other content is rejected.</param>
/// <param name="RequestedBy">Who asks, for the record: 1 to 256 characters.</param>
/// <param name="Name">Name of the credential, a DNS label, unique within its tenant.</param>
/// <param name="SealedEntries">The secrets: a compact JWE (RFC 7516; <c>ECDH-ES</c>, <c>A256GCM</c>) to the Director's key of
/// <c>GET /api/v1/sealing-key</c>. Its plaintext is the JSON object of entries, name to value, at most 64 KiB; its protected
/// header holds <c>kid</c>, <c>exp</c> (Unix time in seconds, at most one hour ahead) and <c>sub</c> =
/// <c>&lt;tenant&gt;/&lt;name&gt;/&lt;commandId&gt;</c>.</param>
/// <param name="Policy">How to roll it out: an object with any of <c>strategy</c>, <c>maxConcurrency</c>, <c>maxFailures</c>,
/// <c>progressDeadline</c> and <c>overlap</c>, as over HTTP; absent means all at once.</param>
/// <param name="ExpiresAt">When the secrets stop working, UTC, if the sender knows.</param>
/// <param name="Tenant">Owner of the credential; absent means <c>default</c>.</param>
[EntityName("governor-rotate-credential")]
[MessageUrn("governor:rotate-credential")]
public sealed record RotateCredential(
    string CommandId,
    string RequestedBy,
    string Name,
    string SealedEntries,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Policy = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? ExpiresAt = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Tenant = null);
