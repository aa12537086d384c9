using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Reports;

/// <summary>Records a batch of reports in one transaction, set-based, and finds what follows from them.</summary>
internal sealed partial class ReportRecorder(
    DirectorDbContext db, Assigner assigner, Readiness readiness, Deregistration deregistration, IPublishEndpoint bus,
    TimeProvider clock, ILogger<ReportRecorder> logger)
{
    /// <summary>Records the newest report of each runtime in the batch. Commits.</summary>
    /// <returns>The rollouts that have progressed; the caller tells their sagas after this.</returns>
    public async Task<IReadOnlyCollection<Guid>> RecordAsync(
        IReadOnlyCollection<RuntimeReported> batch, CancellationToken cancellationToken)
    {
        var read = batch.Select(ReportReader.Read).OfType<RuntimeReported>().ToList();
        if (read.Count < batch.Count)
            LogUnreadable(batch.Count - read.Count);
        var newest = read
            .GroupBy(r => r.RuntimeId, StringComparer.Ordinal)
            .ToDictionary(g => g.Key, g => g.OrderBy(r => (r.Epoch, r.Number)).Last(), StringComparer.Ordinal);
        var now = clock.GetUtcNow();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);

        var concerned = await FindConcernedAsync(newest, cancellationToken);
        var targets = await LockAsync(concerned.Keys, newest.Keys, cancellationToken);
        var fleet = await assigner.LockAsync(newest.Keys, cancellationToken);
        LogUnknown(newest.Keys.Where(id => fleet.Find(id) is null));

        var heard = new Dictionary<string, RuntimeReported>(StringComparer.Ordinal);
        foreach (var (runtimeId, report) in newest)
        {
            if (fleet.Find(runtimeId) is { } member
                && (report.Epoch, report.Number).CompareTo((member.Runtime.ReportEpoch, member.Runtime.ReportNumber)) >= 0)
            {
                heard[runtimeId] = report;
                member.IsHeard();
            }
        }

        var changes = new TargetChanges(db, now);
        var applied = new List<(string RuntimeId, RevisionKey Revision, string Digest)>();
        foreach (var target in targets)
        {
            var revision = concerned[target.RolloutId];
            if (heard.TryGetValue(target.RuntimeId, out var report)
                && Decision(target, report, revision.Configuration) is { } decision)
            {
                changes.Move(target, decision.State, decision.Reason, decision.Message);
                if (decision.State == TargetState.Applied && target.Digest is not null)
                    applied.Add((target.RuntimeId, revision, target.Digest));
            }
        }

        await readiness.UndeferAsync(targets, fleet, changes, cancellationToken);
        var touched = await OpenRolloutsOfAsync(newest.Keys, cancellationToken);
        await changes.SaveAsync(cancellationToken);

        // Who reports in an epoch that is over has restarted, or is a late message: either way it is told the new one.
        var ask = newest.Values
            .Where(r => fleet.Find(r.RuntimeId) is { } m && r.Epoch < m.Runtime.ReportEpoch)
            .Select(r => r.RuntimeId).ToHashSet(StringComparer.Ordinal);
        ask.UnionWith(heard.Keys.Where(id => fleet.Find(id)!.Runtime.Kid is null));
        await SaveRuntimesAsync(fleet, heard, ask, now, cancellationToken);
        await SaveItemsAsync(heard, cancellationToken);
        await SaveShownAsync(fleet, heard, applied, cancellationToken);
        await db.RememberAsync(heard.Values, applied.Select(a => (a.RuntimeId, a.Digest)), now, cancellationToken);
        await readiness.SendUnsentAsync(heard.Keys.Select(id => fleet.Find(id)!), cancellationToken);
        await deregistration.CompleteAsync(fleet, heard.Values, cancellationToken);

        await db.SaveChangesAsync(cancellationToken); // writes the outbox's rows
        await transaction.CommitAsync(cancellationToken);
        return touched;
    }

    /// <summary>The rollouts that these runtimes take part in, whether the reports changed a target or not: the batch may be
    /// a repeated one whose sagas were never told.</summary>
    private Task<List<Guid>> OpenRolloutsOfAsync(
        Dictionary<string, RuntimeReported>.KeyCollection runtimeIds, CancellationToken cancellationToken)
    {
        var ids = runtimeIds.ToList();
        return db.Rollouts.Where(r => r.EndedAt == null)
            .Where(r => db.Targets.Any(t => t.RolloutId == r.CorrelationId && ids.Contains(t.RuntimeId)
                && (t.Generation > 0 || t.State == TargetState.Waiting || t.State == TargetState.Deferred)))
            .Select(r => r.CorrelationId).ToListAsync(cancellationToken);
    }

    /// <summary>Looks without locks which rollouts these reports can change, so that reports in a steady state lock no
    /// wave. What changes in between is decided again under the locks, or by a later report.</summary>
    /// <returns>Per rollout the revision that it rolls out.</returns>
    private async Task<Dictionary<Guid, RevisionKey>> FindConcernedAsync(
        Dictionary<string, RuntimeReported> reports, CancellationToken cancellationToken)
    {
        var candidates = await db.Targets
            .FromSqlRaw(
                $"SELECT * FROM rollout_targets WHERE {db.In("runtime_id", "ids")} AND {RolloutMapping.StillSpokenOf}",
                db.List("ids", reports.Keys)).AsNoTracking()
            .Join(db.Rollouts, t => t.RolloutId, r => r.CorrelationId,
                (t, r) => new { Target = t, r.Tenant, r.Configuration, r.Revision, IsOpen = r.EndedAt == null })
            .ToListAsync(cancellationToken);
        return candidates
            .Where(c => (c.IsOpen && c.Target.State == TargetState.Deferred)
                || Decision(c.Target, reports[c.Target.RuntimeId], c.Configuration) is not null)
            .GroupBy(c => c.Target.RolloutId)
            .ToDictionary(g => g.Key, g => new RevisionKey(g.First().Tenant, g.First().Configuration, g.First().Revision));
    }

    private async Task<List<RolloutTarget>> LockAsync(
        Dictionary<Guid, RevisionKey>.KeyCollection rolloutIds, Dictionary<string, RuntimeReported>.KeyCollection runtimeIds,
        CancellationToken cancellationToken)
    {
        if (rolloutIds.Count == 0)
            return [];

        await db.LockWavesAsync(rolloutIds, cancellationToken);
        return await db.LockTargetsOfAsync(rolloutIds, runtimeIds, cancellationToken);
    }

    /// <summary>What a report makes of a target, or null if it says nothing new of it. Only reports of its generation or a
    /// later one count; a digest that is shown counts unless a failure or refusal of the same digest stands beside it.</summary>
    private static (TargetState State, string? Reason, string? Message)? Decision(
        RolloutTarget target, RuntimeReported report, string configuration)
    {
        if (target.Generation == 0 || report.Generation < target.Generation
            || target.State is TargetState.Applied or TargetState.Skipped or TargetState.Removed)
        {
            return null;
        }

        var item = ToItem(report, report.Configurations.FirstOrDefault(c => c.Name == configuration));
        if (ReportItem.Shows(item, target.Digest))
            return (TargetState.Applied, null, null);
        if (target.State != TargetState.Dispatched || !ReportItem.Refuses(item, target.Digest))
            return null;

        return (item!.Outcome == "rejected" ? TargetState.Rejected : TargetState.Failed, item.Reason, item.Message);
    }

    private static ReportItem? ToItem(RuntimeReported report, ReportedConfiguration? item) => item is null ? null : new ReportItem
    {
        RuntimeId = report.RuntimeId, Configuration = item.Name, Digest = item.Digest,
        Outcome = item.Outcome?.ToString().ToLowerInvariant(), OutcomeDigest = item.OutcomeDigest,
        Reason = item.Reason, Message = item.Message,
    };

    private async Task SaveRuntimesAsync(
        FleetSlice fleet, Dictionary<string, RuntimeReported> heard, HashSet<string> ask, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var rows = new RowSet(db,
            ("runtime_id", ColumnType.Text), ("heard_at", ColumnType.Instant), ("report_interval", ColumnType.Integer),
            ("report_epoch", ColumnType.Integer), ("report_number", ColumnType.Integer),
            ("reported_generation", ColumnType.Integer), ("generation", ColumnType.Integer), ("epoch", ColumnType.Integer));
        foreach (var runtimeId in heard.Keys.Union(ask))
        {
            var runtime = fleet.Find(runtimeId)!.Runtime;
            if (heard.TryGetValue(runtimeId, out var report))
            {
                (runtime.HeardAt, runtime.ReportInterval) = (now, Sane(report.ReportInterval));
                (runtime.ReportEpoch, runtime.ReportNumber) = (report.Epoch, report.Number);
                runtime.ReportedGeneration = report.Generation;

                // A generation that this database never gave: it was restored from a backup. It is taken over, and above
                // what was sent, so the runtime is sent the whole.
                runtime.Generation = Math.Max(runtime.Generation, report.Generation);
            }

            if (ask.Contains(runtimeId))
            {
                runtime.Epoch = Math.Max(runtime.Epoch, runtime.ReportEpoch) + 1;
                await bus.Publish(
                    new ReportRequested(runtimeId, runtime.Epoch, Enrol: runtime.Kid is null), cancellationToken);
            }

            rows.Add(runtimeId, runtime.HeardAt, runtime.ReportInterval.Ticks, runtime.ReportEpoch, runtime.ReportNumber,
                runtime.ReportedGeneration, runtime.Generation, runtime.Epoch);
        }

        await rows.ExecuteAsync(
            """
            UPDATE runtimes AS r SET heard_at = x.heard_at, report_interval = x.report_interval, report_epoch = x.report_epoch,
                report_number = x.report_number, reported_generation = x.reported_generation, generation = x.generation,
                epoch = x.epoch
            FROM {rows} WHERE r.runtime_id = x.runtime_id
            """, cancellationToken);
    }

    /// <summary>What an Agent states decides when it counts as away; nonsense must not make it so for ever, or never.</summary>
    private static TimeSpan Sane(TimeSpan interval) =>
        TimeSpan.FromSeconds(Math.Clamp(interval.TotalSeconds, 1, TimeSpan.SecondsPerDay));

    private async Task SaveItemsAsync(Dictionary<string, RuntimeReported> heard, CancellationToken cancellationToken)
    {
        var stored = (await db.ReportItems.AsNoTracking().Where(i => heard.Keys.Contains(i.RuntimeId))
            .ToListAsync(cancellationToken)).ToDictionary(i => (i.RuntimeId, i.Configuration));
        var written = new RowSet(db, ("runtime_id", ColumnType.Text), ("configuration", ColumnType.Text),
            ("digest", ColumnType.Text), ("outcome", ColumnType.Text), ("outcome_digest", ColumnType.Text),
            ("reason", ColumnType.Text), ("message", ColumnType.Text));
        foreach (var item in heard.Values.SelectMany(r => r.Configurations.Select(c => ToItem(r, c)!)))
        {
            if (!stored.Remove((item.RuntimeId, item.Configuration), out var old) || !SameItem(old, item))
            {
                written.Add(item.RuntimeId, item.Configuration, item.Digest, item.Outcome, item.OutcomeDigest,
                    item.Reason, item.Message);
            }
        }

        var gone = new RowSet(db, ("runtime_id", ColumnType.Text), ("configuration", ColumnType.Text));
        foreach (var (runtimeId, configuration) in stored.Keys)
            gone.Add(runtimeId, configuration);
        await gone.ExecuteAsync(
            "DELETE FROM report_items WHERE (runtime_id, configuration) IN (SELECT x.runtime_id, x.configuration FROM {rows})",
            cancellationToken);
        await written.ExecuteAsync(
            """
            INSERT INTO report_items (runtime_id, configuration, digest, outcome, outcome_digest, reason, message)
            SELECT x.runtime_id, x.configuration, x.digest, x.outcome, x.outcome_digest, x.reason, x.message
            FROM {rows} WHERE true
            ON CONFLICT (runtime_id, configuration) DO UPDATE SET
                digest = excluded.digest, outcome = excluded.outcome, outcome_digest = excluded.outcome_digest,
                reason = excluded.reason, message = excluded.message
            """, cancellationToken);
    }

    private static bool SameItem(ReportItem a, ReportItem b) =>
        (a.Digest, a.Outcome, a.OutcomeDigest, a.Reason, a.Message) == (b.Digest, b.Outcome, b.OutcomeDigest, b.Reason, b.Message);

    /// <summary>Remembers which assignments have been shown since they were made; and of those that have not, a later revision
    /// than was known that the runtime did apply before.</summary>
    private async Task SaveShownAsync(
        FleetSlice fleet, Dictionary<string, RuntimeReported> heard, List<(string RuntimeId, RevisionKey Revision, string Digest)> applied,
        CancellationToken cancellationToken)
    {
        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("configuration", ColumnType.Text),
            ("reported", ColumnType.Boolean), ("last_good_revision", ColumnType.Integer));
        var earlier = applied.ToLookup(a => (a.RuntimeId, a.Revision.Configuration), a => a.Revision.Revision);
        foreach (var (runtimeId, report) in heard)
        {
            foreach (var assignment in fleet.Find(runtimeId)!.Assignments.Values.Where(a => !a.Reported))
            {
                var shown = report.Generation >= assignment.Generation && ReportItem.Shows(
                    ToItem(report, report.Configurations.FirstOrDefault(c => c.Name == assignment.Configuration)), assignment.Digest);
                var good = earlier[(runtimeId, assignment.Configuration)].Where(r => r < assignment.Revision)
                    .Append(assignment.LastGoodRevision ?? 0).Max();
                if (shown || good > (assignment.LastGoodRevision ?? 0))
                    rows.Add(runtimeId, assignment.Configuration, shown, good > 0 ? good : null);
            }
        }

        await rows.ExecuteAsync(
            """
            UPDATE assignments AS a SET reported = x.reported, last_good_revision = x.last_good_revision
            FROM {rows} WHERE a.runtime_id = x.runtime_id AND a.configuration = x.configuration
            """, cancellationToken);
    }

    private void LogUnknown(IEnumerable<string> runtimeIds)
    {
        foreach (var runtimeId in runtimeIds)
            LogUnknownRuntime(runtimeId);
    }

    [LoggerMessage(2202, LogLevel.Warning,
        "{Count} report(s) were ignored: they name no runtime, or state numbers that cannot be")]
    private partial void LogUnreadable(int count);

    [LoggerMessage(2201, LogLevel.Debug,
        "A report of runtime {RuntimeId} was ignored: it is not registered. Register it, or stop its Agent")]
    private partial void LogUnknownRuntime(string runtimeId);
}
