using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Credentials;
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
        var fleet = await assigner.LockAsync(newest.Keys, cancellationToken, isToChange: targets.Count > 0);
        LogUnknown(newest.Keys.Where(id => fleet.Find(id) is null));

        var heard = new Dictionary<string, RuntimeReported>(StringComparer.Ordinal);
        foreach (var (runtimeId, report) in newest)
        {
            if (fleet.Find(runtimeId) is { } member
                && (report.Epoch, report.Number).CompareTo((member.Runtime.ReportEpoch, member.Runtime.ReportNumber)) >= 0)
            {
                heard[runtimeId] = report;
                member.IsHeard();
                member.Runtime.HearsKey(report);
            }
        }

        var changes = new TargetChanges(db, now);
        var applied = new List<(string RuntimeId, RevisionKey Revision, string Digest)>();
        foreach (var target in targets)
        {
            var revision = concerned[target.RolloutId];
            if (!heard.TryGetValue(target.RuntimeId, out var report))
                continue;
            if (Decision(target, report, revision.Item) is { } decision)
            {
                changes.Move(target, decision.State, decision.Reason, decision.Message);
                if (decision.State == TargetState.Applied && target.Digest is not null)
                    applied.Add((target.RuntimeId, revision, target.Digest));
            }
            else if (CouldNotOpen(target, report) && fleet.Find(target.RuntimeId)!.Runtime.KeyRefused)
            {
                // Nothing was tried: it is sealed again once the Agent's key is trusted, and that is the same attempt.
                target.Attempts--;
                changes.Move(target, TargetState.Deferred, "no-key", $"The Agent could not open the secrets: its key {report.Kid} is not trusted.");
            }
        }

        await readiness.UndeferAsync(targets, fleet, changes, cancellationToken);
        var touched = await OpenRolloutsOfAsync(newest.Keys, cancellationToken);
        await changes.SaveAsync(cancellationToken);

        // Who reports in an epoch that is over has restarted, or is a late message: either way it is told the new one.
        var ask = newest.Values
            .Where(r => fleet.Find(r.RuntimeId) is { } m && r.Epoch < m.Runtime.ReportEpoch)
            .Select(r => r.RuntimeId).ToHashSet(StringComparer.Ordinal);
        ask.UnionWith(heard.Keys.Where(id => fleet.Find(id)!.Runtime.NeedsKey));
        await SaveRuntimesAsync(fleet, heard, ask, now, cancellationToken);
        await SaveItemsAsync(fleet, heard, cancellationToken);
        await db.RecordHoldingsAsync(heard.Values, now, cancellationToken);
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
                (t, r) => new { Target = t, r.Tenant, r.Item, r.Revision, IsOpen = r.EndedAt == null })
            .ToListAsync(cancellationToken);
        return candidates
            .Where(c => (c.IsOpen && c.Target.State == TargetState.Deferred) || CouldNotOpen(c.Target, reports[c.Target.RuntimeId])
                || Decision(c.Target, reports[c.Target.RuntimeId], c.Item) is not null)
            .GroupBy(c => c.Target.RolloutId)
            .ToDictionary(g => g.Key, g => new RevisionKey(g.First().Tenant, g.First().Item, g.First().Revision));
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
        RolloutTarget target, RuntimeReported report, string reported)
    {
        if (target.Generation == 0 || report.Generation < target.Generation
            || target.State is TargetState.Applied or TargetState.Skipped or TargetState.Removed)
        {
            return null;
        }

        var item = ReportedItems.Of(report, reported, target.Digest);
        if (ReportItem.Shows(item, target.Digest))
            return (TargetState.Applied, null, null);
        if (target.State != TargetState.Dispatched || !ReportItem.Refuses(item, target.Digest))
            return null;

        return (item!.Outcome == "rejected" ? TargetState.Rejected : TargetState.Failed, item.Reason, item.Message);
    }

    private static bool CouldNotOpen(RolloutTarget target, RuntimeReported report) =>
        target.State == TargetState.Dispatched && report.UnopenedGeneration >= target.Generation;

    private async Task SaveRuntimesAsync(
        FleetSlice fleet, Dictionary<string, RuntimeReported> heard, HashSet<string> ask, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var rows = new RowSet(db,
            ("runtime_id", ColumnType.Text), ("heard_at", ColumnType.Instant), ("report_interval", ColumnType.Integer),
            ("report_epoch", ColumnType.Integer), ("report_number", ColumnType.Integer),
            ("reported_generation", ColumnType.Integer), ("generation", ColumnType.Integer), ("epoch", ColumnType.Integer),
            ("key_refused", ColumnType.Boolean), ("untrusted_kid", ColumnType.Text), ("untrusted_key", ColumnType.Text));
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
                    new ReportRequested(runtimeId, runtime.Epoch, Enrol: runtime.NeedsKey), cancellationToken);
            }

            rows.Add(runtimeId, runtime.HeardAt, runtime.ReportInterval.Ticks, runtime.ReportEpoch, runtime.ReportNumber,
                runtime.ReportedGeneration, runtime.Generation, runtime.Epoch, runtime.KeyRefused, runtime.UntrustedKid,
                runtime.UntrustedKey);
        }

        await rows.ExecuteAsync(
            """
            UPDATE runtimes AS r SET heard_at = x.heard_at, report_interval = x.report_interval, report_epoch = x.report_epoch,
                report_number = x.report_number, reported_generation = x.reported_generation, generation = x.generation,
                epoch = x.epoch, key_refused = x.key_refused, untrusted_kid = x.untrusted_kid, untrusted_key = x.untrusted_key
            FROM {rows} WHERE r.runtime_id = x.runtime_id
            """, cancellationToken);
    }

    /// <summary>What an Agent states decides when it counts as away; nonsense must not make it so for ever, or never.</summary>
    private static TimeSpan Sane(TimeSpan interval) =>
        TimeSpan.FromSeconds(Math.Clamp(interval.TotalSeconds, 1, TimeSpan.SecondsPerDay));

    private async Task SaveItemsAsync(FleetSlice fleet, Dictionary<string, RuntimeReported> heard, CancellationToken cancellationToken)
    {
        var stored = (await db.ReportItems.AsNoTracking().Where(i => heard.Keys.Contains(i.RuntimeId))
            .ToListAsync(cancellationToken)).ToDictionary(i => (i.RuntimeId, i.Item));
        var written = new RowSet(db, ("runtime_id", ColumnType.Text), ("item", ColumnType.Text),
            ("digest", ColumnType.Text), ("outcome", ColumnType.Text), ("outcome_digest", ColumnType.Text),
            ("reason", ColumnType.Text), ("message", ColumnType.Text));
        foreach (var item in heard.SelectMany(h => ReportedItems.All(h.Value, fleet.Find(h.Key)!.Assignments)))
        {
            if (!stored.Remove((item.RuntimeId, item.Item), out var old) || !SameItem(old, item))
            {
                written.Add(item.RuntimeId, item.Item, item.Digest, item.Outcome, item.OutcomeDigest,
                    item.Reason, item.Message);
            }
        }

        var gone = new RowSet(db, ("runtime_id", ColumnType.Text), ("item", ColumnType.Text));
        foreach (var (runtimeId, configuration) in stored.Keys)
            gone.Add(runtimeId, configuration);
        await gone.ExecuteAsync(
            "DELETE FROM report_items WHERE (runtime_id, item) IN (SELECT x.runtime_id, x.item FROM {rows})",
            cancellationToken);
        await written.ExecuteAsync(
            """
            INSERT INTO report_items (runtime_id, item, digest, outcome, outcome_digest, reason, message)
            SELECT x.runtime_id, x.item, x.digest, x.outcome, x.outcome_digest, x.reason, x.message
            FROM {rows} WHERE true
            ON CONFLICT (runtime_id, item) DO UPDATE SET
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
        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("item", ColumnType.Text),
            ("reported", ColumnType.Boolean), ("last_good_revision", ColumnType.Integer));
        var earlier = applied.ToLookup(a => (a.RuntimeId, a.Revision.Item), a => a.Revision.Revision);
        foreach (var (runtimeId, report) in heard)
        {
            foreach (var assignment in fleet.Find(runtimeId)!.Assignments.Values.Where(a => !a.Reported))
            {
                var shown = report.Generation >= assignment.Generation && ReportItem.Shows(
                    ReportedItems.Of(report, assignment.Item, assignment.Digest), assignment.Digest);
                var good = earlier[(runtimeId, assignment.Item)].Where(r => r < assignment.Revision)
                    .Append(assignment.LastGoodRevision ?? 0).Max();
                if (shown || good > (assignment.LastGoodRevision ?? 0))
                    rows.Add(runtimeId, assignment.Item, shown, good > 0 ? good : null);
            }
        }

        await rows.ExecuteAsync(
            """
            UPDATE assignments AS a SET reported = x.reported, last_good_revision = x.last_good_revision
            FROM {rows} WHERE a.runtime_id = x.runtime_id AND a.item = x.item
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
