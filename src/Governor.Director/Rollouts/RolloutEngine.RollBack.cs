using Governor.Director.Assignments;
using Governor.Director.Configurations;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <content>Rolling back: a new revision with the content of the last good one, and a rollout of its own.</content>
internal sealed partial class RolloutEngine
{
    /// <summary>Looks whether the rollback has ended; then this rollout ends too, and gives back what the rollback has not
    /// replaced.</summary>
    public async Task<string> FollowRollbackAsync(Rollout rollout, CancellationToken cancellationToken)
    {
        var now = Touch(rollout);
        var rollback = await db.Rollouts.AsNoTracking()
            .Where(r => r.CorrelationId == rollout.RolledBackBy).Select(r => new { r.Revision, r.CurrentState, r.EndedAt })
            .SingleAsync(cancellationToken);
        if (rollback.EndedAt is null)
            return RolloutStates.RollingBack;

        await db.LockWavesAsync([rollout.CorrelationId], cancellationToken);
        var reason = rollout.Reason;
        rollout.Reason = $"{reason} The rollback, revision {rollback.Revision}, ended as {rollback.CurrentState}.";
        var state = await GiveBackAndEndAsync(rollout, RolloutStates.RolledBack, now, cancellationToken);
        if (state == RolloutStates.RollingBack)
            rollout.Reason = reason; // more is to be given back first
        return state;
    }

    private async Task<string> RollBackAsync(
        Rollout rollout, string requestedBy, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await db.LockWavesAsync([rollout.CorrelationId], cancellationToken);
        var reached = await db.Targets.AsNoTracking()
            .Where(t => t.RolloutId == rollout.CorrelationId && (t.DispatchedAt != null || t.State == TargetState.Skipped)
                && db.Runtimes.Any(r => r.RuntimeId == t.RuntimeId && r.Tenant == rollout.Tenant))
            .Select(t => t.RuntimeId).ToListAsync(cancellationToken);
        await CloseTargetsAsync(rollout, TargetState.Cancelled,
            [TargetState.Waiting, TargetState.Dispatched, TargetState.Deferred], now, cancellationToken);

        var revision = rollout.Credential is null
            ? await AddFormerContentAsync(rollout, requestedBy, now, cancellationToken)
            : new RevisionKey(rollout.Tenant, rollout.Item, await db.StableAsync(rollout.Tenant, rollout.Item, cancellationToken));
        var policy = new RolloutPolicy(
            rollout.Strategy, rollout.MaxConcurrency, rollout.MaxFailures, rollout.ProgressDeadline, TimeSpan.Zero);
        var rollback = await planner.PlanAsync(revision, policy, requestedBy, reached, rollout.CorrelationId, cancellationToken);
        (rollout.RolledBackBy, rollout.NextDueAt) = (rollback.CorrelationId, null);
        rollout.Reason = $"Rolled back by {requestedBy}.";
        Record(rollout, now, "RollbackRequested",
            $"by {requestedBy}: revision {revision.Revision} ({rollback.CorrelationId}) goes to {reached.Count} target(s)");
        return RolloutStates.RollingBack;
    }

    /// <summary>Adds a revision with the content of the stable one; without one, it takes the configuration away.</summary>
    private async Task<RevisionKey> AddFormerContentAsync(
        Rollout rollout, string requestedBy, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var configuration = await db.Configurations
            .FromSqlRaw(
                $"SELECT * FROM configurations WHERE tenant = @tenant AND name = @name{db.ForUpdate()}",
                db.Parameter("tenant", rollout.Tenant), db.Parameter("name", rollout.Item))
            .SingleAsync(cancellationToken);
        var good = await db.Revisions.AsNoTracking().SingleOrDefaultAsync(
            r => r.Tenant == rollout.Tenant && r.Configuration == rollout.Item && r.Revision == configuration.StableRevision,
            cancellationToken);
        configuration.NewestRevision++;
        db.Revisions.Add(new ConfigurationRevision
        {
            Tenant = rollout.Tenant, Configuration = rollout.Item, Revision = configuration.NewestRevision,
            Content = good?.Content, Digest = good?.Digest, Size = good?.Size ?? 0, CreatedAt = now, CreatedBy = requestedBy,
        });
        return new RevisionKey(rollout.Tenant, rollout.Item, configuration.NewestRevision);
    }
}
