using System.Text;
using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Credentials;

/// <summary>A rotation that was accepted.</summary>
/// <param name="Version">The version made.</param>
/// <param name="RolloutId">The rollout that brings it.</param>
internal sealed record AcceptedRotation(int Version, Guid RolloutId);

/// <summary>Accepts rotations: writes version, rollout, targets and the message that wakes the saga in one transaction. The one
/// handler of REST and of commands.</summary>
internal sealed class CredentialHandler(
    DirectorDbContext db, RolloutPlanner planner, CredentialReferences references, VersionStages stages, Vault vault, TimeProvider clock)
{
    public async Task<Outcome<AcceptedRotation>> RotateAsync(
        string tenant, string name, string requestedBy, RotationRequest request, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        await using var transaction = await db.JoinTransactionAsync(cancellationToken);
        var credential = await LockAsync(tenant, name, now, cancellationToken);
        if (await OpenAsync(tenant, name, cancellationToken) is { } open)
        {
            return new Refusal(StatusCodes.Status409Conflict, "rotation-pending",
                $"Version {open.Revision} of credential '{name}' is on its way (rollout {open.CorrelationId}). Wait until that has ended, or abort it.");
        }

        if (await references.CheckRotationAsync(tenant, name, request.Entries.Keys, cancellationToken) is { } inUse)
            return inUse;

        var version = NewVersion(credential, request, requestedBy, now);
        db.CredentialVersions.Add(version);
        credential.NewestVersion = version.Version;
        var users = await db.Assignments.AsNoTracking()
            .Where(a => a.Item == Items.OfCredential(name)
                && db.Runtimes.Any(r => r.RuntimeId == a.RuntimeId && r.Tenant == tenant && r.State != RuntimeState.Deregistering))
            .Select(a => a.RuntimeId).ToListAsync(cancellationToken);
        if (users.Count == 0)
            await stages.MakeCurrentAsync(version, now, cancellationToken);

        var rollout = await planner.PlanAsync(
            new RevisionKey(tenant, Items.OfCredential(name), version.Version), request.Policy, requestedBy, users, rollbackOf: null, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return new AcceptedRotation(version.Version, rollout.CorrelationId);
    }

    public static Refusal NotFound(string name) => new(StatusCodes.Status404NotFound, "credential-not-found",
        $"There is no credential '{name}' in this tenant. GET /api/v1/credentials lists them; POST /api/v1/credentials/{{name}}/rotations makes one.");

    private CredentialVersion NewVersion(Credential credential, RotationRequest request, string requestedBy, DateTimeOffset now)
    {
        var versionId = Guid.NewGuid().ToString("n");
        return new CredentialVersion
        {
            Tenant = credential.Tenant, Credential = credential.Name, Version = credential.NewestVersion + 1, VersionId = versionId,
            Stage = VersionStage.Pending, StageSince = now, Entries = vault.Protect(versionId, request.Entries),
            Keys = [.. request.Entries.Keys.Order(StringComparer.Ordinal)],
            Size = request.Entries.Sum(e => Encoding.UTF8.GetByteCount(e.Key) + Encoding.UTF8.GetByteCount(e.Value)),
            Overlap = request.Policy.Overlap, ExpiresAt = request.ExpiresAt, CreatedAt = now, CreatedBy = requestedBy,
        };
    }

    /// <summary>Makes the credential's row if there is none, and locks it, so that rotations of one credential follow each other.</summary>
    private async Task<Credential> LockAsync(string tenant, string name, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await db.Database.ExecuteSqlRawAsync(
            """
            INSERT INTO credentials (tenant, name, created_at, newest_version) VALUES (@tenant, @name, @now, 0)
            ON CONFLICT (tenant, name) DO NOTHING
            """,
            [db.Parameter("tenant", tenant), db.Parameter("name", name), db.Parameter("now", now)], cancellationToken);
        return await db.Credentials
            .FromSqlRaw(
                $"SELECT * FROM credentials WHERE tenant = @tenant AND name = @name{db.ForUpdate()}",
                db.Parameter("tenant", tenant), db.Parameter("name", name))
            .SingleAsync(cancellationToken);
    }

    private Task<Rollout?> OpenAsync(string tenant, string name, CancellationToken cancellationToken) =>
        db.Rollouts.AsNoTracking()
            .Where(r => r.Tenant == tenant && r.Item == Items.OfCredential(name) && r.EndedAt == null)
            .OrderByDescending(r => r.Revision).FirstOrDefaultAsync(cancellationToken);
}
