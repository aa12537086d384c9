using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Configurations;
using Governor.Director.Persistence;
using MassTransit;

namespace Governor.Director.Rollouts;

/// <summary>Writes the rows of a rollout that was accepted, in the caller's transaction: the saga's row in state
/// <c>Planned</c>, its waves and targets, and the message that wakes the saga.</summary>
internal sealed class RolloutPlanner(DirectorDbContext db, IPublishEndpoint bus, TimeProvider clock)
{
    /// <summary>Plans a rollout; the caller commits.</summary>
    /// <param name="revision">What is rolled out.</param>
    /// <param name="policy">How.</param>
    /// <param name="requestedBy">Who asked.</param>
    /// <param name="runtimeIds">Its targets.</param>
    /// <param name="rollbackOf">The rollout that it rolls back, if it is a rollback.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public async Task<Rollout> PlanAsync(
        RevisionKey revision, RolloutPolicy policy, string requestedBy, IReadOnlyCollection<string> runtimeIds, Guid? rollbackOf,
        CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var rollout = new Rollout
        {
            CorrelationId = Guid.CreateVersion7(now),
            Tenant = revision.Tenant, Item = revision.Item, Revision = revision.Revision,
            Waves = 1, Strategy = policy.Strategy, MaxConcurrency = policy.MaxConcurrency, MaxFailures = policy.MaxFailures,
            ProgressDeadline = policy.ProgressDeadline, RequestedBy = requestedBy, RollbackOf = rollbackOf,
            CreatedAt = now, TouchedAt = now, LastEvent = 1,
        };
        db.Rollouts.Add(rollout);
        db.Waves.Add(new RolloutWave { RolloutId = rollout.CorrelationId, Wave = 0, Waiting = runtimeIds.Count });
        db.Events.Add(new RolloutEvent
        {
            RolloutId = rollout.CorrelationId, Number = 1, At = now, Kind = RolloutStates.Planned,
            Detail = $"{(Items.IsCredential(revision.Item) ? "version" : "revision")} {revision.Revision}, {runtimeIds.Count} target(s), requested by {requestedBy}",
        });
        await bus.Publish(new RolloutPlanned(rollout.CorrelationId), cancellationToken);
        await db.SaveChangesAsync(cancellationToken);

        var rows = new RowSet(db, ("runtime_id", ColumnType.Text));
        foreach (var runtimeId in runtimeIds)
            rows.Add(runtimeId);
        await rows.ExecuteAsync(
            """
            INSERT INTO rollout_targets (rollout_id, runtime_id, wave, state, generation, attempts, given_back, changed_at)
            SELECT @rollout, x.runtime_id, 0, 'Waiting', 0, 0, false, @now FROM {rows}
            """, cancellationToken, ("rollout", rollout.CorrelationId), ("now", now));
        return rollout;
    }
}
