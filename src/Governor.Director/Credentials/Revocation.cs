using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Credentials;

/// <summary>What operators do with old versions: end them, and say that a lost runtime holds one no more.</summary>
internal sealed class Revocation(DirectorDbContext db, TimeProvider clock)
{
    private const int MostNamed = 20;

    /// <summary>Ends a version that is revocable; its entries are deleted. Commits. A repeat changes nothing.</summary>
    public async Task<Outcome<CredentialVersion>> RevokeAsync(string tenant, string name, int number, CancellationToken cancellationToken)
    {
        await using var transaction = await db.JoinTransactionAsync(cancellationToken);
        if (await LockAsync(tenant, name, number, cancellationToken) is not { } version)
            return await MissingAsync(tenant, name, number, cancellationToken);
        if (version.Stage == VersionStage.Revoked)
            return version;
        if (await WhyNotAsync(version, cancellationToken) is { } refusal)
            return refusal;

        (version.Stage, version.StageSince, version.Entries) = (VersionStage.Revoked, clock.GetUtcNow(), null);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return version;
    }

    /// <summary>Records that a runtime holds a version no more, on an operator's word. Commits. What the runtime reports later
    /// counts all the same.</summary>
    public async Task<Outcome<CredentialVersion>> WaiveAsync(
        string tenant, string name, int number, string runtimeId, string reason, string waivedBy, CancellationToken cancellationToken)
    {
        await using var transaction = await db.JoinTransactionAsync(cancellationToken);
        // The runtime first, as whoever sends to it and whoever records its reports does.
        await db.Database.ExecuteSqlRawAsync(
            $"SELECT runtime_id FROM runtimes WHERE runtime_id = @id{db.ForUpdate()}", [db.Parameter("id", runtimeId)], cancellationToken);
        if (await LockAsync(tenant, name, number, cancellationToken) is not { } version)
            return await MissingAsync(tenant, name, number, cancellationToken);

        var waived = await db.Holdings
            .Where(h => h.RuntimeId == runtimeId && h.VersionId == version.VersionId).ExecuteDeleteAsync(cancellationToken);
        if (waived == 0)
        {
            return new Refusal(StatusCodes.Status409Conflict, "not-held",
                $"Runtime '{runtimeId}' is not known to hold version {number} of credential '{name}'. GET /admin/credentials/{name}/usage says who does.");
        }

        db.Waivers.Add(new CredentialWaiver
        {
            WaiverId = Guid.CreateVersion7(clock.GetUtcNow()), Tenant = tenant, Credential = name, Version = number,
            RuntimeId = runtimeId, WaivedBy = waivedBy, Reason = reason, WaivedAt = clock.GetUtcNow(),
        });
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return version;
    }

    private async Task<Refusal?> WhyNotAsync(CredentialVersion version, CancellationToken cancellationToken)
    {
        var what = $"Version {version.Version} of credential '{version.Credential}'";
        if (version.Stage is VersionStage.Current or VersionStage.Pending)
        {
            return Conflict("version-in-use",
                $"{what} is {version.Stage.ToString().ToLowerInvariant()}. Rotate the credential, or wait for its rollout to end, before you revoke it.");
        }

        if (version.RevocableAt is not null)
            return null;

        var holders = await HoldersOf(db, version.VersionId).OrderBy(h => h.RuntimeId).Take(MostNamed + 1).ToListAsync(cancellationToken);
        if (holders.Count > 0)
        {
            var named = string.Join(", ", holders.Take(MostNamed).Select(h => h.RuntimeId)) + (holders.Count > MostNamed ? " and others" : "");
            return Conflict("version-held",
                $"{what} may be held by {named}. It is revocable once they report without it; an operator can waive a lost runtime (POST …/versions/{version.Version}/waive).",
                [.. holders.Take(MostNamed).Select(h => new FieldError(h.RuntimeId, $"may hold it since {h.Since:O}"))]);
        }

        if (version.RevocableAfter > clock.GetUtcNow())
            return Conflict("overlap-not-over", $"{what} stays valid until {version.RevocableAfter:O} (policy field overlap).");
        return await RestoreWait.FindAsync(db, version.Tenant, cancellationToken) is { } wait
            ? Conflict("not-yet-revocable", $"{what} is held by nobody known, but {wait}.")
            : Conflict("not-yet-revocable", $"{what} is held by nobody known; the next drift run announces that it is revocable, if that is so.");
    }

    /// <summary>Registered runtimes that may hold a version.</summary>
    public static IQueryable<CredentialHolding> HoldersOf(DirectorDbContext db, string versionId) =>
        db.Holdings.AsNoTracking().Where(h => h.VersionId == versionId && db.Runtimes.Any(r => r.RuntimeId == h.RuntimeId));

    private Task<CredentialVersion?> LockAsync(string tenant, string name, int number, CancellationToken cancellationToken) =>
        db.CredentialVersions
            .FromSqlRaw(
                $"SELECT * FROM credential_versions WHERE tenant = @tenant AND credential = @name AND version = @number{db.ForUpdate()}",
                db.Parameter("tenant", tenant), db.Parameter("name", name), db.Parameter("number", number))
            .SingleOrDefaultAsync(cancellationToken);

    private async Task<Refusal> MissingAsync(string tenant, string name, int number, CancellationToken cancellationToken) =>
        await db.Credentials.AnyAsync(c => c.Tenant == tenant && c.Name == name && c.NewestVersion > 0, cancellationToken)
            ? new Refusal(StatusCodes.Status404NotFound, "version-not-found",
                $"Credential '{name}' has no version {number}. GET /api/v1/credentials/{name} lists them.")
            : CredentialHandler.NotFound(name);

    private static Refusal Conflict(string code, string detail, IReadOnlyList<FieldError>? errors = null) =>
        new(StatusCodes.Status409Conflict, code, detail, errors);
}
