using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Credentials;
using Governor.Director.Reports;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;

namespace Governor.Survival.Tests.Model;

/// <content>Credentials: rotations, which runtime needs which, who may hold what, and the keys of Agents.</content>
internal sealed partial class ModelDirector
{
    /// <summary>Seconds for which a version that was replaced stays valid at least.</summary>
    public const int Overlap = 20;

    private const string NoKey = "no-key";

    /// <summary>Per runtime and version the newest generation that brought it; of runtimes that have left too.</summary>
    private SortedDictionary<(string RuntimeId, string VersionId), long> holdings = [];

    public IReadOnlyList<Mail> Rotate(string credential, Policy policy)
    {
        var item = Items.OfCredential(credential);
        if (Open(item).Any())
            return [];

        if (!Credentials.TryGetValue(item, out var row))
            Credentials[item] = row = new ItemRow(item, now());
        var number = row.Revisions.Count + 1;
        var version = new RevisionRow(row, number, content: null, $"{credential}v{number}{(restorations > 0 ? $"r{restorations}" : "")}")
        {
            Stage = VersionStage.Pending, StageSince = now(),
        };
        row.Revisions.Add(version);
        var users = Runtimes.Values.Where(r => r.State != RuntimeState.Deregistering && r.Assignments.ContainsKey(item)).Select(r => r.Id).ToList();
        if (users.Count == 0)
            MakeCurrent(version);
        Plan(version, policy, null, users);
        return Sent();
    }

    private void MakeCurrent(RevisionRow version)
    {
        if (version.Item.StableRevision is { } former)
            Leave(former, VersionStage.Previous);
        (version.Stage, version.StageSince) = (VersionStage.Current, now());
    }

    private void Leave(RevisionRow version, VersionStage stage) =>
        (version.Stage, version.StageSince, version.RevocableAfter) = (stage, now(), now() + Overlap);

    private void EndRotation(RolloutRow rollout)
    {
        if (rollout.Revision.Stage != VersionStage.Pending)
            return;
        if (RolloutStates.IsGood(rollout.State))
            MakeCurrent(rollout.Revision);
        else
            Leave(rollout.Revision, VersionStage.Abandoned);
    }

    /// <summary>Targets of a rotation whose runtimes use the credential no more, or anew after they were sent the version.</summary>
    private void RemoveUnused(RolloutRow rollout)
    {
        foreach (var target in rollout.Targets.Values.Where(t => rollout.Revision.Item.IsCredential && !t.IsDone))
        {
            var assigned = Runtimes.GetValueOrDefault(target.RuntimeId)?.Assignments.GetValueOrDefault(rollout.Key.Item)?.Revision;
            if (assigned is null || (target.State == TargetState.Dispatched && assigned != rollout.Revision))
                Move(rollout, target, TargetState.Removed);
        }
    }

    private void TellRotations(string item)
    {
        foreach (var rollout in Open(item))
            Progress(rollout);
    }

    /// <summary>The credentials, as items, to which components in force refer.</summary>
    private static HashSet<string> NeededCredentials(RuntimeRow runtime, Changes changes)
    {
        var needed = new HashSet<string>(StringComparer.Ordinal);
        if (Revisions(runtime, changes).All(r => r.Parts.All(p => p.Needs is null)))
            return needed;

        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, _, needs) in ByPriority(runtime, changes).SelectMany(r => r.Parts))
        {
            if (taken.Add(name) && needs is not null)
                needed.Add(needs);
        }

        return needed;
    }

    /// <summary>Some changes, and what follows from them: what a component begins to refer to comes in its current version, and
    /// what none refers to any more goes.</summary>
    private Changes WithCredentials(RuntimeRow runtime, Changes asked)
    {
        var changes = new Changes(asked);
        var needed = NeededCredentials(runtime, asked);
        foreach (var item in needed.Where(i => (changes.TryGetValue(i, out var version) ? version is null : !runtime.Assignments.ContainsKey(i))))
            changes[item] = Credentials[item].StableRevision;
        foreach (var item in runtime.Assignments.Keys.Union(asked.Keys).Where(i => Items.IsCredential(i) && !needed.Contains(i)).ToList())
        {
            if (runtime.Assignments.ContainsKey(item))
                changes[item] = null;
            else
                changes.Remove(item);
        }

        return changes;
    }

    private static IEnumerable<RevisionRow> AssignedVersions(RuntimeRow runtime) =>
        runtime.Assignments.Values.Select(a => a.Revision).Where(r => r.Item.IsCredential);

    /// <summary>From now on the runtime may hold what it is sent.</summary>
    private void NoteHoldings(RuntimeRow runtime, long generation)
    {
        foreach (var version in AssignedVersions(runtime))
            holdings[(runtime.Id, version.Digest!)] = generation;
    }

    /// <summary>A report of a later generation than the one that brought a version proves that it is gone, if it does not list
    /// it; what a report lists, the runtime may hold.</summary>
    private void RecordHoldings(RuntimeRow runtime, RuntimeReported report)
    {
        var listed = report.Credentials.Select(c => c.VersionId).Where(id => Holds(Rule.WhatIsReportedMayBeHeld)
            && Credentials.Values.Any(c => c.Revisions.Exists(v => v.Digest == id))).ToList();
        foreach (var id in listed)
            holdings.TryAdd((runtime.Id, id), 0);
        foreach (var (key, generation) in holdings.Where(h => h.Key.RuntimeId == runtime.Id).ToList())
        {
            if ((generation < report.Generation || !Holds(Rule.WhatWasSentMayBeHeldUntilALaterReport)) && !listed.Contains(key.VersionId))
                holdings.Remove(key);
        }
    }

    /// <summary>Versions that no registered runtime may hold and none is assigned, once the overlap is over; after a restore not
    /// before every runtime has said what it holds.</summary>
    private void AnnounceRevocable()
    {
        if (Runtimes.Values.Any(r => r.ReportedGeneration < restoredAt) && Holds(Rule.RevocableWaitsForRestoredRuntimes))
            return;

        foreach (var version in Credentials.Values.SelectMany(c => c.Revisions)
            .Where(v => v is { Stage: VersionStage.Previous or VersionStage.Abandoned, RevocableAt: null } && v.RevocableAfter <= now()))
        {
            if (holdings.Keys.Any(h => h.VersionId == version.Digest && Runtimes.ContainsKey(h.RuntimeId)))
                continue;
            if (Runtimes.Values.Any(r => AssignedVersions(r).Contains(version)) && Holds(Rule.RevocableIsNotWhatIsAssigned))
                continue;
            version.RevocableAt = now();
            outbox.Add(new Revocable(version.Item.Name, version.Number, version.Digest!));
        }
    }

    /// <summary>What a report says of an item; of a credential in several versions it shows one that is not looked for.</summary>
    private ReportItem? Item(RuntimeReported report, string item, string? digest) =>
        !Holds(Rule.SeveralVersionsShowNone) && digest is not null && report.Credentials.Any(c => c.VersionId == digest)
            ? new ReportItem { RuntimeId = report.RuntimeId, Item = item, Digest = digest }
            : ReportedItems.Of(report, item, digest);

    public IReadOnlyList<Mail> TrustKey(string runtimeId, string kid)
    {
        if (!Runtimes.TryGetValue(runtimeId, out var runtime) || (runtime.Kid != kid && !(runtime.UntrustedKid == kid && runtime.UntrustedIsShown)))
            return [];

        if (runtime.Kid != kid)
            (runtime.Kid, runtime.UntrustedKid, runtime.UntrustedIsShown, runtime.KeyRefused) = (kid, null, false, false);
        ServeKeyed(runtime);
        return Sent();
    }

    /// <summary>Who has just got a key is served at once: what waited for it, what was never sent, and secrets that it has not handled.</summary>
    private void ServeKeyed(RuntimeRow runtime)
    {
        foreach (var rollout in Undefer(runtime))
            Progress(rollout);
        if (CanBeSentTo(runtime) && (runtime.SentGeneration < runtime.Generation
            || (runtime.ReportedGeneration < runtime.Generation && AssignedVersions(runtime).Any())))
        {
            Assign(runtime, [], Cause.Again);
        }
    }

    /// <summary>The first key is pinned.</summary>
    private static void ShowKey(RuntimeRow runtime, string kid)
    {
        runtime.Kid ??= kid;
        if (runtime.Kid != kid)
            (runtime.UntrustedKid, runtime.UntrustedIsShown) = (kid, true);
    }

    /// <summary>Which key an Agent has, its newest report says. Who cannot open what was sealed to the pinned one is sent no secrets.</summary>
    private static void HearKey(RuntimeRow runtime, RuntimeReported report)
    {
        if (runtime.Kid is null || report.Kid is null)
            return;

        if (report.Kid == runtime.Kid)
        {
            (runtime.UntrustedKid, runtime.UntrustedIsShown, runtime.KeyRefused) = (null, false, false);
            return;
        }

        if (runtime.UntrustedKid != report.Kid)
            (runtime.UntrustedKid, runtime.UntrustedIsShown) = (report.Kid, false);
        runtime.KeyRefused |= report.UnopenedGeneration is not null;
    }

    private bool CouldNotOpen(RuntimeRow runtime, TargetRow target, RuntimeReported report) => runtime.KeyRefused
        && target.State == TargetState.Dispatched && report.UnopenedGeneration >= target.Generation && Holds(Rule.AKeyChangeDefers);

    /// <summary>Whether what the rollout brings needs a key that the runtime lacks, although what it is assigned does not.</summary>
    private bool StillLacksKey(RuntimeRow runtime, RolloutRow rollout, TargetRow target) => target.LacksKey
        && WhyNotSent(runtime, new Changes { [rollout.Key.Item] = rollout.Revision.Matches(runtime) ? rollout.Revision : null }) is not null;
}
