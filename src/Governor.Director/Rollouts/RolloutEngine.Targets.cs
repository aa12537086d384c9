using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <content>What the engine does to targets, all of it set-based.</content>
internal sealed partial class RolloutEngine
{
    private Task<List<RolloutWave>> WavesAsync(Rollout rollout, CancellationToken cancellationToken) =>
        db.Waves.AsNoTracking().Where(w => w.RolloutId == rollout.CorrelationId).OrderBy(w => w.Wave)
            .ToListAsync(cancellationToken);

    private async Task<IReadOnlyDictionary<string, int>> CountsAsync(Rollout rollout, CancellationToken cancellationToken) =>
        (await WavesAsync(rollout, cancellationToken)).Counts();

    private Task<DateTimeOffset?> NextDeadlineAsync(Rollout rollout, CancellationToken cancellationToken) =>
        db.Targets
            .Where(t => t.RolloutId == rollout.CorrelationId && t.State == TargetState.Dispatched)
            .MinAsync(t => t.DeadlineAt, cancellationToken);

    /// <summary>Decides the targets whose time is over. A runtime that was silent since the dispatch is away, and its target
    /// deferred, not failed.</summary>
    /// <returns>Whether there may be more of them than one chunk.</returns>
    private async Task<bool> DeadlinesAsync(Rollout rollout, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var due = await db.Targets
            .FromSqlRaw(
                $"""
                 SELECT * FROM rollout_targets
                 WHERE rollout_id = @rollout AND state = 'Dispatched' AND deadline_at <= @now
                 ORDER BY rollout_id, runtime_id LIMIT {Assigner.Chunk}{db.ForUpdate()}
                 """,
                db.Parameter("rollout", rollout.CorrelationId), db.Parameter("now", now))
            .AsNoTracking().ToListAsync(cancellationToken);
        if (due.Count == 0)
            return false;

        var ids = due.Select(t => t.RuntimeId).ToList();
        var heard = await db.Runtimes.AsNoTracking().Where(r => ids.Contains(r.RuntimeId))
            .ToDictionaryAsync(r => r.RuntimeId, r => r.HeardAt, StringComparer.Ordinal, cancellationToken);
        var changes = new TargetChanges(db, now);
        foreach (var target in due)
        {
            if (!heard.TryGetValue(target.RuntimeId, out var last))
                changes.Move(target, TargetState.Removed, "deregistered");
            else if (last is null || last < target.DispatchedAt)
                changes.Move(target, TargetState.Deferred, "silent", "Nothing was heard of the runtime since it was sent to.");
            else
                changes.Move(target, TargetState.TimedOut, "deadline",
                    $"The runtime reports, but has not shown the content within {rollout.ProgressDeadline} (progressDeadline).");
        }

        await changes.SaveAsync(cancellationToken);
        Record(rollout, now, "DeadlinePassed", string.Join(", ", due.GroupBy(t => t.State).Select(g => $"{g.Count()} {g.Key}")));
        return due.Count == Assigner.Chunk;
    }

    /// <summary>Lets those targets of a rotation go whose runtimes use the credential no more, or began anew to use it after they
    /// had been sent the version: they were given the current one, and are swept.</summary>
    /// <returns>Whether there may be more of them than one chunk.</returns>
    private async Task<bool> RemoveUnusedAsync(Rollout rollout, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (rollout.Credential is null)
            return false;

        var unused = await db.Targets
            .FromSqlRaw(
                $"""
                 SELECT * FROM rollout_targets
                 WHERE rollout_id = @rollout AND state IN ('Waiting', 'Dispatched', 'Deferred')
                   AND NOT EXISTS (
                       SELECT 1 FROM assignments a WHERE a.runtime_id = rollout_targets.runtime_id AND a.item = @item
                           AND (rollout_targets.state <> 'Dispatched' OR a.revision = @version))
                 ORDER BY rollout_id, runtime_id LIMIT {Assigner.Chunk}{db.ForUpdate()}
                 """,
                db.Parameter("rollout", rollout.CorrelationId), db.Parameter("item", rollout.Item),
                db.Parameter("version", rollout.Revision))
            .AsNoTracking().ToListAsync(cancellationToken);
        var changes = new TargetChanges(db, now);
        foreach (var target in unused)
            changes.Move(target, TargetState.Removed, "not-used", "The runtime stopped using the credential during the rotation.");
        await changes.SaveAsync(cancellationToken);
        return unused.Count == Assigner.Chunk;
    }

    /// <summary>Moves every target that is in one of some states to a closing one, and their counters with them.</summary>
    private async Task CloseTargetsAsync(
        Rollout rollout, TargetState to, TargetState[] from, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var states = string.Join(", ", from.Select(s => $"'{s}'"));
        var moved = await db.Database.ExecuteSqlRawAsync(
            $"""
             WITH locked AS (
                 SELECT rollout_id, runtime_id FROM rollout_targets
                 WHERE rollout_id = @rollout AND state IN ({states}) ORDER BY rollout_id, runtime_id{db.ForUpdate()})
             UPDATE rollout_targets AS t SET state = '{to}', reason = NULL, error = NULL, changed_at = @now
             FROM locked WHERE t.rollout_id = locked.rollout_id AND t.runtime_id = locked.runtime_id
             """,
            [db.Parameter("now", now), db.Parameter("rollout", rollout.CorrelationId)], cancellationToken);
        if (moved == 0)
            return;

        var columns = from.Select(TargetChanges.Column).ToList();
        await db.Database.ExecuteSqlRawAsync(
            $"UPDATE rollout_waves SET {TargetChanges.Column(to)} = {TargetChanges.Column(to)} + {string.Join(" + ", columns)}, "
            + string.Join(", ", columns.Select(c => $"{c} = 0")) + " WHERE rollout_id = @rollout",
            [db.Parameter("rollout", rollout.CorrelationId)], cancellationToken);
    }
}
