using MassTransit;

namespace Governor.Contracts;

/// <summary>A credential's version is the one that runtimes are given from now on. Public event.</summary>
/// <param name="Tenant">Owner of the credential.</param>
/// <param name="Credential">Name of the credential.</param>
/// <param name="Version">Number of the version.</param>
/// <param name="VersionId">Random id of the version.</param>
/// <param name="At">When, UTC.</param>
[EntityName("governor.credential-version-current")]
[MessageUrn("governor:credential-version-current")]
public sealed record CredentialVersionCurrent(string Tenant, string Credential, int Version, string VersionId, DateTimeOffset At);

/// <summary>No runtime may hold an old version of a credential any more, and its overlap is over: it can be revoked where it is
/// valid. Published exactly once for each version; its message id is the version's id. Public event.</summary>
/// <param name="Tenant">Owner of the credential.</param>
/// <param name="Credential">Name of the credential.</param>
/// <param name="Version">Number of the version.</param>
/// <param name="VersionId">Random id of the version.</param>
/// <param name="At">When, UTC.</param>
[EntityName("governor.credential-version-revocable")]
[MessageUrn("governor:credential-version-revocable")]
public sealed record CredentialVersionRevocable(string Tenant, string Credential, int Version, string VersionId, DateTimeOffset At);
