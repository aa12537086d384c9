using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;

namespace Governor.Survival.Tests.Model;

/// <summary>Why something is assigned.</summary>
internal enum Cause
{
    Dispatch = 0,
    Join = 1,
    Leave = 2,
    Sweep = 3,
    GiveBack = 4,
    Again = 5,
}

/// <summary>What is to change for one runtime: per configuration its new revision; null takes it away.</summary>
internal sealed class Changes : Dictionary<string, RevisionRow?>
{
    public Changes()
        : base(StringComparer.Ordinal)
    {
    }

    public Changes(Changes others)
        : base(others, StringComparer.Ordinal)
    {
    }

    /// <summary>Takes every configuration away; the credentials follow.</summary>
    public static Changes Nothing(RuntimeRow runtime)
    {
        var changes = new Changes();
        foreach (var name in runtime.Assignments.Keys.Where(name => !Items.IsCredential(name)))
            changes[name] = null;
        return changes;
    }
}

/// <content><i>Assign</i>, the one place that writes assignments and sends, and the three that decide what to assign outside
/// of a dispatch: giving back, sweeping, and serving who can be sent to again.</content>
internal sealed partial class ModelDirector
{
    private bool IsAway(RuntimeRow runtime) =>
        runtime.HeardAt is not { } heard || now() - Math.Max(heard, listeningSince) > 3 * runtime.ReportInterval;

    /// <summary>Why nothing can be sent to a runtime that is to hold what it holds with some changes; null if something can.</summary>
    private string? WhyNotSent(RuntimeRow runtime, Changes? with = null) => runtime.State == RuntimeState.Provisioning ? "not-ready"
        : IsAway(runtime) ? "away"
        : (runtime.Kid is null || runtime.KeyRefused) && NeededCredentials(runtime, with ?? []).Count > 0 ? NoKey
        : null;

    private bool CanBeSentTo(RuntimeRow runtime) => WhyNotSent(runtime) is null;

    /// <summary>Writes the assignments, raises the generation, and sends the whole to who can be sent to. Whoever writes an
    /// assignment writes generation and digest into the target of that revision too.</summary>
    /// <param name="runtime">The runtime.</param>
    /// <param name="changes">What changes for it; without changes the whole is sent again.</param>
    /// <param name="cause">Why.</param>
    /// <param name="by">The revision that takes a configuration away, where one does.</param>
    /// <param name="again">Configurations that are the reason, although they do not change.</param>
    private void Assign(RuntimeRow runtime, Changes changes, Cause cause, RevisionRow? by = null, IReadOnlyCollection<string>? again = null)
    {
        if (Holds(Rule.AssignRaisesTheGeneration) || runtime.Generation == 0)
            runtime.Generation++;
        changes = WithCredentials(runtime, changes);
        var sent = WhyNotSent(runtime, changes) is null ? runtime.Generation : (long?)null;
        foreach (var (name, revision) in changes)
        {
            var old = runtime.Assignments.GetValueOrDefault(name);
            if (revision is null)
            {
                runtime.Assignments.Remove(name);
                if (Items.IsCredential(name))
                    TellRotations(name);
            }
            else
            {
                Assigned(runtime, old?.Revision, revision, cause);
                runtime.Assignments[name] = new AssignmentRow(revision) { Generation = runtime.Generation, LastGood = old?.Good };
            }

            // What is given back is judged by the reports of its own former rollout, and what comes or goes with a configuration by
            // those of its dispatch.
            if ((!Items.IsCredential(name) || (revision is not null && by?.Item.Name == name))
                && (revision ?? (by?.Item.Name == name ? by : null)) is { } written && cause != Cause.GiveBack)
            {
                WriteTarget(runtime, written, revision?.Digest, runtime.Generation);
            }
        }

        if (sent is null)
            return;

        (runtime.SentGeneration, runtime.SentAt) = (sent.Value, now());
        foreach (var (name, assignment) in runtime.Assignments)
        {
            if (assignment.SentGeneration is null || again?.Contains(name) == true)
                (assignment.SentGeneration, assignment.SentAt) = (sent, now());
        }

        var desired = Desired(runtime);
        NoteHoldings(runtime, sent.Value);
        outbox.Add(new Whole(runtime.Id, sent.Value, desired, desired.Credentials.Count > 0 ? runtime.Kid : null));
    }

    private void WriteTarget(RuntimeRow runtime, RevisionRow revision, string? digest, long generation)
    {
        foreach (var rollout in Rollouts.Where(r => r.Revision == revision && Holds(Rule.WhoeverAssignsWritesTheTarget)))
        {
            if (rollout.Targets.TryGetValue(runtime.Id, out var target) && target.IsSpokenOf)
                (target.Generation, target.Digest) = (generation, digest);
        }
    }

    /// <summary>Writes a revision that changes nothing in the runtime: no generation, no message.</summary>
    private void Renumber(RuntimeRow runtime, RevisionRow revision)
    {
        var assignment = runtime.Assignments[revision.Item.Name];
        assignment.Revision = revision;
        WriteTarget(runtime, revision, revision.Digest, assignment.Generation);
    }

    /// <summary>What it is to hold, once some changes are made.</summary>
    private static IEnumerable<RevisionRow> Revisions(RuntimeRow runtime, Changes changes) => runtime.Assignments
        .Where(a => !changes.ContainsKey(a.Key)).Select(a => a.Value.Revision)
        .Concat(changes.Values.OfType<RevisionRow>());

    private static IEnumerable<RevisionRow> ByPriority(RuntimeRow runtime, Changes? changes) =>
        Revisions(runtime, changes ?? []).Where(r => !r.Item.IsCredential)
            .OrderByDescending(r => r.Content!.Priority).ThenBy(r => r.Item.CreatedAt).ThenBy(r => r.Item.Name, StringComparer.Ordinal);

    /// <summary>Of equal names the component of the higher priority is in force, then that of the configuration created
    /// first; the others are shadowed.</summary>
    private static DesiredState Desired(RuntimeRow runtime)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        var configurations = new List<DesiredConfiguration>();
        foreach (var revision in ByPriority(runtime, changes: null))
        {
            configurations.Add(new DesiredConfiguration(revision.Item.Name, revision.Number, revision.Digest!,
                [.. revision.Components.Select(c => c with { Shadowed = !taken.Add(c.Name) })]));
        }

        configurations.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return new DesiredState(configurations,
            [.. AssignedVersions(runtime).Select(v => new DesiredCredential(Items.Credential(v.Item.Name)!, v.Number, v.Digest!))]);
    }

    /// <summary>What is in force: per component the configuration that it comes from, and its value.</summary>
    public static SortedDictionary<string, (string Configuration, string Value)> Effective(RuntimeRow runtime, Changes? changes = null)
    {
        var effective = new SortedDictionary<string, (string, string)>(StringComparer.Ordinal);
        foreach (var revision in ByPriority(runtime, changes))
        {
            foreach (var (name, value, _) in revision.Parts)
                effective.TryAdd(name, (revision.Item.Name, value));
        }

        return effective;
    }

    /// <summary>Whether a revision is what the runtime is assigned already, under another number.</summary>
    private static bool ChangesNothing(RuntimeRow runtime, RevisionRow revision) =>
        runtime.Assignments.GetValueOrDefault(revision.Item.Name)?.Revision.Digest == revision.Digest
        && (revision.Item.IsCredential || Effective(runtime, new Changes { [revision.Item.Name] = revision }).SequenceEqual(Effective(runtime)));

    /// <summary>Gives back one target: once, only where the assignment is still the one that this rollout wrote, and from
    /// then on no report makes it applied.</summary>
    private void GiveBack(RolloutRow rollout, TargetRow target)
    {
        target.GivenBack = true;
        if (!Runtimes.TryGetValue(target.RuntimeId, out var runtime) || runtime.State == RuntimeState.Deregistering)
            return;

        var assigned = runtime.Assignments.GetValueOrDefault(rollout.Key.Item);
        if (assigned?.Revision != (target.Digest is null ? null : rollout.Revision))
            return;

        if (Holds(Rule.WhatWasGivenBackLosesItsGeneration))
            target.Generation = 0;
        var changes = new Changes();
        ChooseFormer(runtime, rollout.Revision.Item, target.Former, changes);
        if (changes.Count > 0)
            Assign(runtime, changes, Cause.GiveBack);
    }

    /// <summary>Chooses the revision last reported as applied, if it still matches and was not rejected; else the stable one
    /// under the same conditions; else that last one again if it matches; else nothing. Of a credential always the current
    /// version: a former one may be about to end.</summary>
    private static void ChooseFormer(RuntimeRow runtime, ItemRow item, int? former, Changes changes)
    {
        var assigned = runtime.Assignments.GetValueOrDefault(item.Name);
        var stable = item.StableRevision is { } s && s.Matches(runtime) ? s : null;
        var good = item.IsCredential ? stable : item.Find(assigned is null ? former : assigned.Good) is { } g && g.Matches(runtime) ? g : null;
        var chosen = new[] { good, stable }.FirstOrDefault(r => r is not null && !runtime.Rejections.Contains(r.Digest!)) ?? good;
        if (assigned?.Revision != chosen)
            changes[item.Name] = chosen;
    }

    /// <summary><i>Sweep</i>: whoever is assigned an older revision than the stable one is assigned that if it matches, and
    /// loses the configuration if not; but not what it rejected.</summary>
    private void Sweep(ItemRow item)
    {
        if (!Holds(item.IsCredential ? Rule.SweepRunsForCredentials : Rule.SweepRuns) || item.StableRevision is not { } stable
            || Open(item.Name).Any(r => r.State != RolloutStates.Planned))
        {
            return;
        }

        foreach (var runtime in Runtimes.Values.Where(r => r.State != RuntimeState.Deregistering))
        {
            var assigned = runtime.Assignments.GetValueOrDefault(item.Name);
            var wanted = stable.Matches(runtime) ? stable : null;
            if (assigned?.Revision.Number >= stable.Number || (wanted is null && assigned is null))
                continue;
            if (wanted is not null && runtime.Rejections.Contains(wanted.Digest!) && Holds(Rule.SweepLeavesOutWhatWasRejected))
                continue;

            if (wanted is not null && ChangesNothing(runtime, wanted))
                Renumber(runtime, wanted);
            else
                Assign(runtime, new Changes { [item.Name] = wanted }, Cause.Sweep, stable);
        }
    }

    /// <summary>Deferred targets of open rollouts wait again if their runtime can be sent to.</summary>
    /// <returns>The rollouts of which a target changed.</returns>
    private List<RolloutRow> Undefer(RuntimeRow runtime)
    {
        var changed = new List<RolloutRow>();
        foreach (var rollout in Rollouts.Where(r => !r.IsFinal && r.State != RolloutStates.RollingBack && CanBeSentTo(runtime)))
        {
            if (rollout.Targets.TryGetValue(runtime.Id, out var target) && target.State == TargetState.Deferred && !StillLacksKey(runtime, rollout, target))
            {
                Move(rollout, target, rollout.State == RolloutStates.Aborting ? TargetState.Cancelled : TargetState.Waiting);
                changed.Add(rollout);
            }
        }

        return changed;
    }

    /// <summary>Whoever got no message is sent the whole as soon as it can be.</summary>
    private void SendUnsent(RuntimeRow runtime)
    {
        if (CanBeSentTo(runtime) && runtime.SentGeneration < runtime.Generation)
            Assign(runtime, [], Cause.Again);
    }
}
