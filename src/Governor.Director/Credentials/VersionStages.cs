using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Credentials;

/// <summary>Moves versions from stage to stage: when a rotation ends, and when nobody may hold an old one any more.</summary>
internal sealed partial class VersionStages(DirectorDbContext db, IPublishEndpoint bus, TimeProvider clock, ILogger<VersionStages> logger)
{
    /// <summary>Makes a version the one that runtimes are given; what it replaces becomes previous. The caller has locked the
    /// credential.</summary>
    public async Task MakeCurrentAsync(CredentialVersion version, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var replaced = await db.CredentialVersions
            .Where(v => v.Tenant == version.Tenant && v.Credential == version.Credential && v.Stage == VersionStage.Current)
            .ToListAsync(cancellationToken);
        foreach (var former in replaced)
            Leave(former, VersionStage.Previous, now, version.Overlap);
        (version.Stage, version.StageSince) = (VersionStage.Current, now);
        await bus.Publish(
            new CredentialVersionCurrent(version.Tenant, version.Credential, version.Version, version.VersionId, now), cancellationToken);
    }

    /// <summary>What the end of a credential's rollout means for its version. Within the saga's transaction.</summary>
    public async Task EndRotationAsync(Rollout rollout, string state, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (Items.Credential(rollout.Item) is not { } name)
            return;

        await db.Database.ExecuteSqlRawAsync(
            $"SELECT name FROM credentials WHERE tenant = @tenant AND name = @name{db.ForUpdate()}",
            [db.Parameter("tenant", rollout.Tenant), db.Parameter("name", name)], cancellationToken);
        var version = await db.CredentialVersions.SingleAsync(
            v => v.Tenant == rollout.Tenant && v.Credential == name && v.Version == rollout.Revision, cancellationToken);
        if (version.Stage != VersionStage.Pending)
            return; // a rollback, or one that nothing used

        if (RolloutStates.IsGood(state))
            await MakeCurrentAsync(version, now, cancellationToken);
        else
            Leave(version, VersionStage.Abandoned, now, version.Overlap);
        await db.SaveChangesAsync(cancellationToken);
    }

    /// <summary>Announces versions that nobody may hold any more, each once, in the caller's transaction.</summary>
    /// <remarks>A version is locked before its holders are looked at, and whoever sends it locks it too: a send that comes first
    /// is seen, one that comes later finds it announced.</remarks>
    public async Task AnnounceRevocableAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        if (await RestoreWait.IsOnAsync(db, cancellationToken))
            return;

        var candidates = await Unheld(db).Where(v => v.RevocableAfter <= now).Select(v => v.VersionId).ToListAsync(cancellationToken);
        if (candidates.Count == 0)
            return;

        var versions = await db.CredentialVersions
            .FromSqlRaw(
                $"SELECT * FROM credential_versions WHERE {db.In("version_id", "ids")} ORDER BY tenant, credential, version{db.ForUpdate()}",
                db.List("ids", candidates))
            .ToListAsync(cancellationToken);
        var still = await Unheld(db).Where(v => candidates.Contains(v.VersionId)).Select(v => v.VersionId).ToListAsync(cancellationToken);
        foreach (var version in versions.Where(v => still.Contains(v.VersionId, StringComparer.Ordinal)))
        {
            version.RevocableAt = now;
            await bus.Publish(
                new CredentialVersionRevocable(version.Tenant, version.Credential, version.Version, version.VersionId, now),
                Pipe.Execute<PublishContext<CredentialVersionRevocable>>(context => context.MessageId = Guid.ParseExact(version.VersionId, "n")),
                cancellationToken);
            LogRevocable(version.Credential, version.Version);
        }
    }

    /// <summary>Old versions that were not announced, that no registered runtime may hold and none is assigned.</summary>
    private static IQueryable<CredentialVersion> Unheld(DirectorDbContext db) =>
        db.CredentialVersions.Where(v => (v.Stage == VersionStage.Previous || v.Stage == VersionStage.Abandoned) && v.RevocableAt == null
            && !db.Holdings.Any(h => h.VersionId == v.VersionId && db.Runtimes.Any(r => r.RuntimeId == h.RuntimeId))
            && !db.Assignments.Any(a => a.Item == Items.CredentialPrefix + v.Credential && a.Digest == v.VersionId));

    private static void Leave(CredentialVersion version, VersionStage stage, DateTimeOffset now, TimeSpan overlap) =>
        (version.Stage, version.StageSince, version.RevocableAfter) = (stage, now, now + overlap);

    [LoggerMessage(2901, LogLevel.Information, "No runtime may hold version {Version} of credential {Credential} any more: it can be revoked")]
    private partial void LogRevocable(string credential, int version);
}
