using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Drift;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;

namespace Governor.Survival.Tests.Model;

/// <content>What reports say, and what the drift job makes of them.</content>
internal sealed partial class ModelDirector
{
    /// <summary>Seconds that a message has before it is sent again.</summary>
    public const int DeliveryDeadline = 20;

    /// <summary>Seconds between two drift runs.</summary>
    public const int DriftInterval = 15;

    private const double LongestBackOff = 3600;

    /// <summary><i>Record</i>: the newest report of each runtime.</summary>
    public IReadOnlyList<Mail> Record(IReadOnlyList<RuntimeReported> batch)
    {
        var newest = batch.GroupBy(r => r.RuntimeId, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => g.OrderBy(r => (r.Epoch, r.Number)).Last()).ToList();
        var touched = new SortedSet<RolloutKey>(Comparer<RolloutKey>.Create((a, b) =>
            (a.Item, a.Revision, a.Nth).CompareTo((b.Item, b.Revision, b.Nth))));
        foreach (var report in newest)
        {
            touched.UnionWith(Rollouts.Where(r => !r.IsFinal && r.Targets.TryGetValue(report.RuntimeId, out var t)
                && (t.Generation > 0 || t.State is TargetState.Waiting or TargetState.Deferred)).Select(r => r.Key));
            if (Runtimes.TryGetValue(report.RuntimeId, out var runtime))
                Record(runtime, report);
        }

        outbox.AddRange(touched.Select(key => new Hint(key, HintKind.Progressed)));
        return Sent();
    }

    private void Record(RuntimeRow runtime, RuntimeReported report)
    {
        var stamp = (report.Epoch, report.Number);
        if (stamp.CompareTo(runtime.Stamp) < 0 && Holds(Rule.RecordIgnoresLowerStamps))
        {
            // Who reports in an epoch that is over has restarted, or is a late message: it is told the new one.
            Undefer(runtime);
            if (report.Epoch < runtime.Stamp.Epoch)
                AskForReport(runtime);
            return;
        }

        var isBehind = report.Epoch < runtime.Stamp.Epoch;
        HearKey(runtime, report);
        runtime.Report = report.Configurations.Select(c => c.Name).Concat(report.Credentials.Select(c => Items.OfCredential(c.Name)))
            .Distinct(StringComparer.Ordinal)
            .ToDictionary(item => item, item => Item(report, item, runtime.Assignments.GetValueOrDefault(item)?.Revision.Digest)!, StringComparer.Ordinal);
        (runtime.HeardAt, runtime.ReportInterval) = (now(), report.ReportInterval.TotalSeconds);
        (runtime.Stamp, runtime.ReportedGeneration) = (stamp, report.Generation);

        // A generation that was never given: the database was restored. It goes on from there.
        runtime.Generation = Math.Max(runtime.Generation, report.Generation);

        var applied = new List<RevisionRow>();
        foreach (var rollout in Rollouts)
        {
            if (!rollout.Targets.TryGetValue(runtime.Id, out var target))
                continue;
            if (Decision(target, rollout, runtime, report) is { } state)
            {
                Move(rollout, target, state);
                if (state == TargetState.Applied && target.Digest is not null)
                    applied.Add(rollout.Revision);
            }
            else if (CouldNotOpen(runtime, target, report))
            {
                // Nothing was tried: once its key is trusted, what comes is the same attempt.
                target.Attempts--;
                Defer(rollout, target, NoKey);
            }
        }

        Undefer(runtime);
        if (isBehind || runtime.NeedsKey)
            AskForReport(runtime);
        RecordHoldings(runtime, report);
        foreach (var (name, assignment) in runtime.Assignments.Where(a => !a.Value.Reported))
        {
            assignment.Reported = runtime.ReportedGeneration >= assignment.Generation
                && Shows(Item(report, name, assignment.Revision.Digest), assignment.Revision.Digest);
            var earlier = applied.Where(r => r.Item.Name == name && r.Number < assignment.Revision.Number).Max(r => (int?)r.Number);
            assignment.LastGood = earlier > (assignment.LastGood ?? 0) ? earlier : assignment.LastGood;
        }

        Remember(runtime, applied);
        SendUnsent(runtime);
        if (runtime.State == RuntimeState.Deregistering && runtime.Report.Count == 0 && report.Generation >= runtime.GoneGeneration)
            Remove(runtime);
    }

    /// <summary>What a runtime rejected is remembered until a rollout has brought it after all.</summary>
    private static void Remember(RuntimeRow runtime, IEnumerable<RevisionRow> applied)
    {
        runtime.Rejections.ExceptWith(applied.Select(r => r.Digest!));
        runtime.Rejections.UnionWith(runtime.Report.Values
            .Where(i => i is { Outcome: "rejected", OutcomeDigest: not null }).Select(i => i.OutcomeDigest!));
    }

    /// <summary>What a report makes of a target: only one of its generation or a later one counts, and a failure or refusal
    /// of a digest outweighs that it is shown.</summary>
    private TargetState? Decision(TargetRow target, RolloutRow rollout, RuntimeRow runtime, RuntimeReported report)
    {
        if (target.Generation == 0 || target.State is TargetState.Applied or TargetState.Skipped or TargetState.Removed
            || (runtime.ReportedGeneration < target.Generation && Holds(Rule.RecordNeedsTheTargetsGeneration)))
        {
            return null;
        }

        var item = Item(report, rollout.Key.Item, target.Digest);
        if (Shows(item, target.Digest))
            return TargetState.Applied;
        if (target.State != TargetState.Dispatched || !ReportItem.Refuses(item, target.Digest))
            return null;
        return item!.Outcome == "rejected" ? TargetState.Rejected : TargetState.Failed;
    }

    /// <summary><i>Drift</i>: wakes what went quiet, sweeps, gives back what was rejected outside of a rollout, delivers and
    /// heals.</summary>
    public IReadOnlyList<Mail> RunDrift(DriftMode mode, bool isBrokerMarked)
    {
        if (!isBrokerMarked)
            outbox.AddRange(Runtimes.Keys.Select(id => new Provision(id)));
        if (Holds(Rule.DriftWakesQuietRollouts))
            Wake();
        foreach (var item in Configurations.Values.Concat(Credentials.Values).Where(i => !Open(i.Name).Any()))
            Sweep(item);

        // Everything is compared before anything is sent.
        var found = Runtimes.Values.Where(r => r.State != RuntimeState.Provisioning).Select(Compare).ToList();
        foreach (var differences in found)
            ResetBackOff(differences);
        foreach (var differences in found)
        {
            var changes = new Changes();
            foreach (var rejected in differences.Rejected)
                ChooseFormer(differences.Runtime, rejected.Revision.Item, former: null, changes);
            if (changes.Count > 0)
                Assign(differences.Runtime, changes, Cause.GiveBack);
        }

        foreach (var runtime in found)
            Deliver(runtime, mode);
        AnnounceRevocable();
        return Sent();
    }

    private void Wake()
    {
        foreach (var rollout in Rollouts.Where(r => !r.IsFinal && now() - r.TouchedAt >= DriftInterval))
            Progress(rollout);
        for (var i = 0; i < actions.Count; i++)
        {
            if (actions[i].Accepted is null && now() - actions[i].RequestedAt >= DriftInterval)
                outbox.Add(new Hint(actions[i].Rollout.Key, HintKind.Action, i));
        }

        foreach (var runtime in Runtimes.Values
            .Where(r => r.State == RuntimeState.Provisioning && now() - r.StateSince >= DeliveryDeadline))
        {
            outbox.Add(new Provision(runtime.Id));
        }
    }

    private sealed record Differences(
        RuntimeRow Runtime, long SentGeneration, List<(string Name, bool NeverShown)> Pairs, List<string> Failed,
        List<AssignmentRow> Rejected, bool PassedOver, bool IsBehind);

    private Differences Compare(RuntimeRow runtime)
    {
        var (pairs, failed, rejected, passed) = (new List<(string, bool)>(), new List<string>(), new List<AssignmentRow>(), false);
        foreach (var name in runtime.Assignments.Keys.Union(runtime.Report.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            var assigned = runtime.Assignments.GetValueOrDefault(name);
            var item = runtime.Report.GetValueOrDefault(name);
            var digest = assigned?.Revision.Digest;
            if (Shows(item, digest) || runtime.State != RuntimeState.Ready || IsAway(runtime))
                continue;

            // What was refused or failed keeps its last good content, and the secrets to which that refers.
            if (assigned is null && Items.IsCredential(name) && runtime.Report.Values.Any(i => i.Outcome is "failed" or "rejected"))
                continue;

            // Something is on its way to this pair: what was sent has not been answered, or a rollout has it in hand.
            var onItsWay = assigned is null
                ? now() - runtime.SentAt < DeliveryDeadline && runtime.ReportedGeneration < runtime.SentGeneration
                : now() - assigned.SentAt < DeliveryDeadline && runtime.ReportedGeneration < assigned.SentGeneration;
            if (onItsWay || Open(name).Any(r => r.Targets.TryGetValue(runtime.Id, out var t) && IsInHand(r, t)))
                passed = true;
            else if (assigned is not null && item is { Outcome: "rejected" } && item.OutcomeDigest == digest)
                rejected.Add(assigned);
            else if (assigned is not null && ReportItem.Refuses(item, digest))
                failed.Add(name);
            else
                pairs.Add((name, assigned is { Reported: false }));
        }

        var isBehind = runtime.HeardAt is not null && !(now() - runtime.SentAt < DeliveryDeadline)
            && ((runtime.ReportedGeneration < runtime.Generation && Holds(Rule.DeliverSendsToWhoReportsALowerGeneration))
                || (runtime.Report.Values.Any(i => i.Outcome == "failed") && Holds(Rule.DeliverSendsAgainAfterFailed))
                || (runtime.State == RuntimeState.Deregistering && runtime.Report.Count > 0));
        return new Differences(runtime, runtime.SentGeneration, pairs, failed, rejected, passed, isBehind);
    }

    /// <summary>Whether an open rollout has dispatched a target that is not done, or is still to be given back.</summary>
    private static bool IsInHand(RolloutRow rollout, TargetRow target) => target.WasDispatched && (!target.IsDone
        || (rollout.State is RolloutStates.Aborting or RolloutStates.RollingBack && !target.GivenBack
            && target.State is not (TargetState.Applied or TargetState.Skipped or TargetState.Removed)));

    private void ResetBackOff(Differences found)
    {
        if (found.Pairs.Count + found.Failed.Count == 0 && !found.PassedOver && !found.IsBehind && !IsAway(found.Runtime))
            (found.Runtime.HealNotBefore, found.Runtime.HealBackOff) = (null, 0);
    }

    /// <summary><i>Deliver</i>, in every mode: to whoever reports a lower generation than its own, or a failure, once the
    /// deadline is over; to whoever does not show what it never showed. Healing: to whoever differs. Each with back-off.</summary>
    private void Deliver(Differences found, DriftMode mode)
    {
        var runtime = found.Runtime;
        var reasons = found.Pairs.Where(p => mode == DriftMode.Heal || p.NeverShown).Select(p => p.Name).ToList();
        if (IsAway(runtime) || !CanBeSentTo(runtime) || runtime.HealNotBefore > now() || (!found.IsBehind && reasons.Count == 0)
            || runtime.SentGeneration != found.SentGeneration)
        {
            return;
        }

        Assign(runtime, [], Cause.Again, again: found.IsBehind ? [.. reasons, .. found.Failed] : reasons);
        var wait = runtime.HealBackOff > 0 ? runtime.HealBackOff : DriftInterval;
        (runtime.HealNotBefore, runtime.HealBackOff) = (now() + (wait * 0.9), Math.Min(wait * 2, LongestBackOff));
    }
}
