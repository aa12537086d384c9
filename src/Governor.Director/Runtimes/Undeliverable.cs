using Governor.Contracts;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Runtimes;

/// <summary>What follows when messages found no queue: their targets are deferred, the messages count as never sent, and the
/// queues are made again. Once they are, <see cref="Readiness"/> lets the targets wait for their dispatch and sends the
/// runtimes the whole.</summary>
internal sealed partial class Undeliverable(
    DirectorDbContext db, IPublishEndpoint bus, TimeProvider clock, ILogger<Undeliverable> logger)
{
    /// <summary>Generation of a message that carries nothing to hold.</summary>
    public const long NoGeneration = 0;

    /// <summary>Stable code of the reason why such a target is deferred.</summary>
    public const string Reason = "queue";

    /// <summary>Handles messages, given by the highest generation of each runtime. Commits. Unknown runtimes are left out.</summary>
    public async Task HandleAsync(IReadOnlyDictionary<string, long> generations, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var asked = generations.Keys.ToList();
        var known = await db.Runtimes.AsNoTracking().Where(r => asked.Contains(r.RuntimeId))
            .OrderBy(r => r.RuntimeId).Select(r => r.RuntimeId).ToListAsync(cancellationToken);
        if (known.Count == 0)
            return;

        LogUndeliverable(known.Count, known[0]);
        foreach (var rolloutId in await DeferAsync(known, generations, cancellationToken))
            await bus.Publish(new TargetsProgressed(rolloutId), cancellationToken);
        await CountAsUnsentAsync(known, generations, cancellationToken);
        foreach (var chunk in known.Chunk(FleetRegistry.MaxBatch))
            await bus.Publish(new ProvisionRuntimes(chunk), cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private async Task<IReadOnlyCollection<Guid>> DeferAsync(
        List<string> runtimeIds, IReadOnlyDictionary<string, long> generations, CancellationToken cancellationToken)
    {
        var rollouts = await db.Targets
            .FromSqlRaw(
                $"SELECT * FROM rollout_targets WHERE {db.In("runtime_id", "ids")} AND {RolloutMapping.StillSpokenOf}",
                db.List("ids", runtimeIds)).AsNoTracking()
            .Where(t => t.State == TargetState.Dispatched)
            .Join(db.Rollouts.Where(r => r.EndedAt == null), t => t.RolloutId, r => r.CorrelationId, (t, _) => t.RolloutId)
            .Distinct().ToListAsync(cancellationToken);
        if (rollouts.Count == 0)
            return [];

        await db.LockWavesAsync(rollouts, cancellationToken);
        var targets = await db.LockTargetsOfAsync(rollouts, runtimeIds, cancellationToken);

        // Read again under the lock of the waves, which a rollout's end holds too.
        var open = await db.Rollouts.AsNoTracking().Where(r => rollouts.Contains(r.CorrelationId) && r.EndedAt == null)
            .Select(r => r.CorrelationId).ToHashSetAsync(cancellationToken);
        var changes = new TargetChanges(db, clock.GetUtcNow());
        foreach (var target in targets)
        {
            // One that was sent again since has a message of its own under way.
            if (target.State == TargetState.Dispatched && open.Contains(target.RolloutId)
                && target.Generation <= generations[target.RuntimeId])
            {
                changes.Move(target, TargetState.Deferred, Reason, "Its queue was gone; it is made again.");
            }
        }

        var progressed = changes.Rollouts;
        await changes.SaveAsync(cancellationToken);
        return progressed;
    }

    private async Task CountAsUnsentAsync(
        List<string> runtimeIds, IReadOnlyDictionary<string, long> generations, CancellationToken cancellationToken)
    {
        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("generation", ColumnType.Integer));
        foreach (var runtimeId in runtimeIds.Where(id => generations[id] != NoGeneration))
            rows.Add(runtimeId, generations[runtimeId]);
        if (rows.Count == 0)
            return;

        await db.Runtimes
            .FromSqlRaw(
                $"SELECT * FROM runtimes WHERE {db.In("runtime_id", "ids")} ORDER BY runtime_id{db.ForUpdate()}", db.List("ids", runtimeIds))
            .AsNoTracking().LoadAsync(cancellationToken);

        // What was sent after it may have found the queue again, and holds everything that this one did.
        await rows.ExecuteAsync(
            """
            UPDATE runtimes AS r SET sent_generation = x.generation - 1
            FROM {rows} WHERE r.runtime_id = x.runtime_id AND r.sent_generation = x.generation
            """, cancellationToken);
    }

    [LoggerMessage(2305, LogLevel.Warning,
        "Messages for {Count} runtime(s) found no queue, {RuntimeId} among them; queues and bindings are made again")]
    private partial void LogUndeliverable(int count, string runtimeId);
}
