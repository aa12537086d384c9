using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <summary>Changes of targets that one transaction collects and writes at its end: one statement for the targets, one for
/// the counters of their waves. Whoever changes a target holds the lock of its wave, then its own.</summary>
internal sealed class TargetChanges(DirectorDbContext db, DateTimeOffset now)
{
    private readonly Dictionary<(Guid RolloutId, string RuntimeId), RolloutTarget> changed = [];
    private readonly Dictionary<(Guid RolloutId, int Wave), long[]> deltas = [];

    private static readonly TargetState[] States = Enum.GetValues<TargetState>();

    public int Count => changed.Count;

    /// <summary>Ids of the rollouts of which a target changed.</summary>
    public IReadOnlyCollection<Guid> Rollouts => deltas.Keys.Select(k => k.RolloutId).ToHashSet();

    /// <summary>Moves a target to another state.</summary>
    /// <param name="target">The target, read under its lock.</param>
    /// <param name="to">The new state.</param>
    /// <param name="reason">Stable code that explains the state, if it needs one.</param>
    /// <param name="error">The same in a sentence.</param>
    public void Move(RolloutTarget target, TargetState to, string? reason = null, string? error = null)
    {
        var delta = Delta(target.RolloutId, target.Wave);
        delta[(int)target.State]--;
        delta[(int)to]++;
        (target.State, target.Reason, target.Error, target.ChangedAt) = (to, reason, error, now);
        changed[(target.RolloutId, target.RuntimeId)] = target;
    }

    /// <summary>Writes a target whose state stays.</summary>
    public void Touch(RolloutTarget target)
    {
        target.ChangedAt = now;
        changed[(target.RolloutId, target.RuntimeId)] = target;
    }

    /// <summary>Adds a target, or puts one back that had left.</summary>
    public void Add(RolloutTarget target, TargetState? formerState)
    {
        var delta = Delta(target.RolloutId, target.Wave);
        if (formerState is { } former)
            delta[(int)former]--;
        delta[(int)target.State]++;
        target.ChangedAt = now;
        changed[(target.RolloutId, target.RuntimeId)] = target;
    }

    public async Task SaveAsync(CancellationToken cancellationToken)
    {
        var rows = new RowSet(db,
            ("rollout_id", ColumnType.Id), ("runtime_id", ColumnType.Text), ("wave", ColumnType.Integer),
            ("state", ColumnType.Text), ("generation", ColumnType.Integer), ("digest", ColumnType.Text),
            ("attempts", ColumnType.Integer), ("former_revision", ColumnType.Integer), ("given_back", ColumnType.Boolean),
            ("reason", ColumnType.Text), ("error", ColumnType.Text),
            ("dispatched_at", ColumnType.Instant), ("deadline_at", ColumnType.Instant), ("changed_at", ColumnType.Instant));
        foreach (var t in changed.Values)
        {
            rows.Add(t.RolloutId, t.RuntimeId, t.Wave, t.State, t.Generation, t.Digest, t.Attempts, t.FormerRevision,
                t.GivenBack, t.Reason, t.Error, t.DispatchedAt, t.DeadlineAt, t.ChangedAt);
        }

        await rows.ExecuteAsync(
            """
            INSERT INTO rollout_targets (rollout_id, runtime_id, wave, state, generation, digest, attempts, former_revision,
                                         given_back, reason, error, dispatched_at, deadline_at, changed_at)
            SELECT x.rollout_id, x.runtime_id, x.wave, x.state, x.generation, x.digest, x.attempts, x.former_revision,
                   x.given_back, x.reason, x.error, x.dispatched_at, x.deadline_at, x.changed_at
            FROM {rows} WHERE true
            ON CONFLICT (rollout_id, runtime_id) DO UPDATE SET
                wave = excluded.wave, state = excluded.state, generation = excluded.generation, digest = excluded.digest,
                attempts = excluded.attempts, former_revision = excluded.former_revision,
                given_back = excluded.given_back, reason = excluded.reason, error = excluded.error,
                dispatched_at = excluded.dispatched_at, deadline_at = excluded.deadline_at, changed_at = excluded.changed_at
            """, cancellationToken);
        await SaveCountersAsync(cancellationToken);
        changed.Clear();
        deltas.Clear();
    }

    private async Task SaveCountersAsync(CancellationToken cancellationToken)
    {
        var columns = States.Select(s => (Name: Column(s), ColumnType.Integer)).ToArray();
        var rows = new RowSet(db, [("rollout_id", ColumnType.Id), ("wave", ColumnType.Integer), .. columns]);
        foreach (var ((rolloutId, wave), delta) in deltas)
        {
            if (delta.Any(d => d != 0))
                rows.Add([rolloutId, wave, .. delta.Cast<object?>()]);
        }

        await rows.ExecuteAsync(
            $$"""
            UPDATE rollout_waves AS w SET {{string.Join(", ", columns.Select(c => $"{c.Name} = w.{c.Name} + x.{c.Name}"))}}
            FROM {rows} WHERE w.rollout_id = x.rollout_id AND w.wave = x.wave
            """, cancellationToken);
    }

    /// <summary>Name of the counter's column.</summary>
    public static string Column(TargetState state) => state == TargetState.TimedOut ? "timed_out" : state.ToString().ToLowerInvariant();

    private long[] Delta(Guid rolloutId, int wave)
    {
        if (!deltas.TryGetValue((rolloutId, wave), out var delta))
            deltas[(rolloutId, wave)] = delta = new long[States.Length];
        return delta;
    }
}

/// <summary>Locks of the rollouts' tables, each taken in the order of its key.</summary>
internal static class RolloutLocks
{
    /// <summary>Locks the waves of rollouts, and reads them. Not tracked: counters change by statements.</summary>
    public static Task<List<RolloutWave>> LockWavesAsync(
        this DirectorDbContext db, IReadOnlyCollection<Guid> rolloutIds, CancellationToken cancellationToken) =>
        db.Waves
            .FromSqlRaw(
                $"SELECT * FROM rollout_waves WHERE {db.In("rollout_id", "ids")} ORDER BY rollout_id, wave{db.ForUpdate()}",
                db.List("ids", rolloutIds))
            .AsNoTracking().ToListAsync(cancellationToken);

    /// <summary>Locks the targets of runtimes that a report may still change, and reads them.</summary>
    public static Task<List<RolloutTarget>> LockTargetsAsync(
        this DirectorDbContext db, IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken) =>
        db.Targets
            .FromSqlRaw(
                $"SELECT * FROM rollout_targets WHERE {db.In("runtime_id", "ids")} AND {RolloutMapping.StillSpokenOf} "
                + $"ORDER BY rollout_id, runtime_id{db.ForUpdate()}",
                db.List("ids", runtimeIds))
            .AsNoTracking().ToListAsync(cancellationToken);

    /// <summary>Locks the targets that runtimes have in some rollouts, whatever their state, and reads them.</summary>
    public static Task<List<RolloutTarget>> LockTargetsOfAsync(
        this DirectorDbContext db, IReadOnlyCollection<Guid> rolloutIds, IReadOnlyCollection<string> runtimeIds,
        CancellationToken cancellationToken) =>
        db.Targets
            .FromSqlRaw(
                $"SELECT * FROM rollout_targets WHERE {db.In("rollout_id", "rollouts")} AND {db.In("runtime_id", "ids")} "
                + $"ORDER BY rollout_id, runtime_id{db.ForUpdate()}",
                db.List("rollouts", rolloutIds), db.List("ids", runtimeIds))
            .AsNoTracking().ToListAsync(cancellationToken);

    /// <summary>Locks, in one order, both the targets that runtimes have in some rollouts and those that a report may still
    /// change, and reads them.</summary>
    public static Task<List<RolloutTarget>> LockTargetsToJoinAsync(
        this DirectorDbContext db, IReadOnlyCollection<Guid> rolloutIds, IReadOnlyCollection<string> runtimeIds,
        CancellationToken cancellationToken) =>
        db.Targets
            .FromSqlRaw(
                $"SELECT * FROM rollout_targets WHERE {db.In("runtime_id", "ids")} "
                + $"AND ({db.In("rollout_id", "rollouts")} OR ({RolloutMapping.StillSpokenOf})) "
                + $"ORDER BY rollout_id, runtime_id{db.ForUpdate()}",
                db.List("rollouts", rolloutIds), db.List("ids", runtimeIds))
            .AsNoTracking().ToListAsync(cancellationToken);

    /// <summary>Number of targets per state over all waves; states without targets are left out.</summary>
    public static IReadOnlyDictionary<string, int> Counts(this IEnumerable<RolloutWave> waves)
    {
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var wave in waves)
        {
            foreach (var (state, count) in wave.PerState())
            {
                if (count != 0)
                    counts[state.ToString()] = counts.GetValueOrDefault(state.ToString()) + count;
            }
        }

        return counts;
    }

    public static IEnumerable<(TargetState State, int Count)> PerState(this RolloutWave wave) =>
    [
        (TargetState.Waiting, wave.Waiting), (TargetState.Dispatched, wave.Dispatched), (TargetState.Applied, wave.Applied),
        (TargetState.Failed, wave.Failed), (TargetState.Rejected, wave.Rejected), (TargetState.TimedOut, wave.TimedOut),
        (TargetState.Deferred, wave.Deferred), (TargetState.Skipped, wave.Skipped), (TargetState.Removed, wave.Removed),
        (TargetState.Cancelled, wave.Cancelled), (TargetState.Superseded, wave.Superseded),
    ];
}
