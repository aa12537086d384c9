namespace Governor.Director.Credentials;

/// <summary>A credential as it is listed.</summary>
/// <param name="Version">The version that runtimes are given.</param>
/// <param name="Pending">The version on its way, if there is one.</param>
/// <param name="Entries">Names of the entries of the current version.</param>
internal sealed record CredentialSummary(
    string Name, int? Version, int? Pending, IReadOnlyList<string> Entries, DateTimeOffset? ExpiresAt, DateTimeOffset CreatedAt);

/// <summary>A credential with its versions, newest first; never a value.</summary>
internal sealed record CredentialDetail(string Name, DateTimeOffset CreatedAt, IReadOnlyList<VersionView> Versions);

/// <summary>A version.</summary>
/// <param name="VersionId">Random id: what runtimes report.</param>
/// <param name="RevocableAfter">End of the overlap, once it is previous or abandoned.</param>
/// <param name="RevocableAt">Since when nobody may hold it.</param>
internal sealed record VersionView(
    int Version, string VersionId, string Stage, DateTimeOffset StageSince, IReadOnlyList<string> Entries, DateTimeOffset? ExpiresAt,
    DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? RevocableAfter, DateTimeOffset? RevocableAt)
{
    public static VersionView Of(CredentialVersion v) => new(
        v.Version, v.VersionId, v.Stage.ToString().ToLowerInvariant(), v.StageSince, v.Keys, v.ExpiresAt, v.CreatedAt, v.CreatedBy,
        v.RevocableAfter, v.RevocableAt);
}

/// <summary>A version and who may hold it.</summary>
/// <param name="Holders">Number of registered runtimes that may hold it.</param>
/// <param name="BlockedBy">What stands in the way of revoking it; empty if it can be, or was.</param>
internal sealed record VersionUsage(
    int Version, string VersionId, string Stage, int Holders, IReadOnlyList<string> BlockedBy, DateTimeOffset? RevocableAt);

/// <summary>That a runtime may hold a version.</summary>
/// <param name="Since">When it was first sent, or first reported.</param>
/// <param name="Assigned">Whether it is what the runtime should hold.</param>
/// <param name="Reported">Whether the runtime's newest report lists it.</param>
/// <param name="LastReportAt">When the runtime was last heard.</param>
internal sealed record HoldingView(
    string RuntimeId, int Version, string VersionId, DateTimeOffset Since, bool Assigned, bool Reported, DateTimeOffset? LastReportAt);

/// <summary>An operator's word on a lost runtime.</summary>
internal sealed record WaiverView(string RuntimeId, int Version, string WaivedBy, string Reason, DateTimeOffset WaivedAt);

/// <summary>Who may hold what of a credential.</summary>
/// <param name="Items">A page of the holdings, by runtime.</param>
internal sealed record UsageView(
    string Name, IReadOnlyList<VersionUsage> Versions, IReadOnlyList<WaiverView> Waivers, IReadOnlyList<HoldingView> Items, string? NextCursor);

/// <summary>The answer to a rotation.</summary>
internal sealed record RotationView(string RolloutId, int Version);
