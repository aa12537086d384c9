using MassTransit;

namespace Governor.Contracts;

/// <summary>A runtime was registered. Public event.</summary>
/// <param name="RuntimeId">Id of the runtime, unique across tenants.</param>
/// <param name="Tenant">Owner of the runtime.</param>
/// <param name="Kind">Kind of the runtime.</param>
/// <param name="Labels">Its labels.</param>
/// <param name="RegisteredAt">When, UTC.</param>
[EntityName("governor.runtime-registered")]
[MessageUrn("governor:runtime-registered")]
public sealed record RuntimeRegistered(
    string RuntimeId,
    string Tenant,
    string Kind,
    IReadOnlyDictionary<string, string> Labels,
    DateTimeOffset RegisteredAt);

/// <summary>A runtime has not reported for three of its report intervals while somebody listened. Public event.</summary>
/// <param name="RuntimeId">Id of the runtime.</param>
/// <param name="Tenant">Owner of the runtime.</param>
/// <param name="LastHeardAt">When its last report was recorded, UTC.</param>
[EntityName("governor.runtime-silent")]
[MessageUrn("governor:runtime-silent")]
public sealed record RuntimeSilent(string RuntimeId, string Tenant, DateTimeOffset LastHeardAt);

/// <summary>A runtime does not hold what it is assigned, and nothing on its way explains that. Public event.</summary>
/// <param name="RuntimeId">Id of the runtime.</param>
/// <param name="Tenant">Owner of the runtime.</param>
/// <param name="Configuration">The configuration concerned, where it is one.</param>
/// <param name="Kind">Kind of the drift: <c>Missing</c>, <c>Stale</c>, <c>Tampered</c>, <c>Orphaned</c> or <c>Foreign</c>.</param>
/// <param name="ExpectedDigest">Digest assigned; absent when nothing is.</param>
/// <param name="ReportedDigest">Digest that the runtime shows; absent when it shows nothing of the configuration.</param>
/// <param name="DetectedAt">When, UTC.</param>
/// <param name="Credential">The credential concerned, where it is one; the digests are ids of its versions then.</param>
[EntityName("governor.drift-detected")]
[MessageUrn("governor:drift-detected")]
public sealed record DriftDetected(
    string RuntimeId,
    string Tenant,
    string? Configuration,
    string Kind,
    string? ExpectedDigest,
    string? ReportedDigest,
    DateTimeOffset DetectedAt,
    string? Credential = null);

/// <summary>A drift that was announced is gone. Public event.</summary>
/// <param name="RuntimeId">Id of the runtime.</param>
/// <param name="Tenant">Owner of the runtime.</param>
/// <param name="Configuration">The configuration concerned, where it is one.</param>
/// <param name="Kind">Kind of the drift that is gone.</param>
/// <param name="CorrectedAt">When it was found to be gone, UTC.</param>
/// <param name="Credential">The credential concerned, where it is one.</param>
[EntityName("governor.drift-corrected")]
[MessageUrn("governor:drift-corrected")]
public sealed record DriftCorrected(
    string RuntimeId,
    string Tenant,
    string? Configuration,
    string Kind,
    DateTimeOffset CorrectedAt,
    string? Credential = null);
