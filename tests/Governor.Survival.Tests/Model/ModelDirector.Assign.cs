using Governor.Contracts;
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

    public static Changes Nothing(RuntimeRow runtime)
    {
        var changes = new Changes();
        foreach (var name in runtime.Assignments.Keys)
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

    private bool CanBeSentTo(RuntimeRow runtime) => runtime.State != RuntimeState.Provisioning && !IsAway(runtime);

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
        var sent = CanBeSentTo(runtime) ? runtime.Generation : (long?)null;
        foreach (var (name, revision) in changes)
        {
            var old = runtime.Assignments.GetValueOrDefault(name);
            if (revision is null)
            {
                runtime.Assignments.Remove(name);
            }
            else
            {
                Assigned(runtime, old?.Revision, revision, cause);
                runtime.Assignments[name] = new AssignmentRow(revision) { Generation = runtime.Generation, LastGood = old?.Good };
            }

            // What is given back is judged by the reports of its own former rollout.
            if ((revision ?? (by?.Configuration.Name == name ? by : null)) is { } written && cause != Cause.GiveBack)
                WriteTarget(runtime, written, revision?.Digest, runtime.Generation);
        }

        if (sent is null)
            return;

        (runtime.SentGeneration, runtime.SentAt) = (sent.Value, now());
        foreach (var (name, assignment) in runtime.Assignments)
        {
            if (assignment.SentGeneration is null || again?.Contains(name) == true)
                (assignment.SentGeneration, assignment.SentAt) = (sent, now());
        }

        outbox.Add(new Whole(runtime.Id, sent.Value, Desired(runtime)));
    }

    private void WriteTarget(RuntimeRow runtime, RevisionRow revision, string? digest, long generation)
    {
        if (Holds(Rule.WhoeverAssignsWritesTheTarget) && Rollouts.Find(r => r.Revision == revision) is { } rollout
            && rollout.Targets.TryGetValue(runtime.Id, out var target) && target.IsSpokenOf)
        {
            (target.Generation, target.Digest) = (generation, digest);
        }
    }

    /// <summary>Writes a revision that changes nothing in the runtime: no generation, no message.</summary>
    private void Renumber(RuntimeRow runtime, RevisionRow revision)
    {
        var assignment = runtime.Assignments[revision.Configuration.Name];
        assignment.Revision = revision;
        WriteTarget(runtime, revision, revision.Digest, assignment.Generation);
    }

    private static IEnumerable<RevisionRow> Revisions(RuntimeRow runtime, RevisionRow? instead = null) => runtime.Assignments
        .Where(a => a.Key != instead?.Configuration.Name).Select(a => a.Value.Revision)
        .Concat(instead is null ? [] : [instead]);

    /// <summary>Of equal names the component of the higher priority is in force, then that of the configuration created
    /// first; the others are shadowed.</summary>
    private static DesiredState Desired(RuntimeRow runtime, RevisionRow? instead = null)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        var configurations = new List<DesiredConfiguration>();
        foreach (var revision in Revisions(runtime, instead).OrderByDescending(r => r.Content!.Priority)
            .ThenBy(r => r.Configuration.CreatedAt).ThenBy(r => r.Configuration.Name, StringComparer.Ordinal))
        {
            configurations.Add(new DesiredConfiguration(revision.Configuration.Name, revision.Number, revision.Digest!,
                [.. revision.Components.Select(c => c with { Shadowed = !taken.Add(c.Name) })]));
        }

        configurations.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return new DesiredState(configurations, []);
    }

    /// <summary>What is in force: per component the configuration that it comes from, and its value.</summary>
    public static SortedDictionary<string, (string Configuration, string Value)> Effective(RuntimeRow runtime, RevisionRow? instead = null)
    {
        var effective = new SortedDictionary<string, (string, string)>(StringComparer.Ordinal);
        foreach (var configuration in Desired(runtime, instead).Configurations)
        {
            foreach (var component in configuration.Components.Where(c => !c.Shadowed))
                effective[component.Name] = (configuration.Name, Content.ValueOf(component));
        }

        return effective;
    }

    /// <summary>Whether a revision is what the runtime is assigned already, under another number.</summary>
    private static bool ChangesNothing(RuntimeRow runtime, RevisionRow revision) =>
        runtime.Assignments.GetValueOrDefault(revision.Configuration.Name)?.Revision.Digest == revision.Digest
        && Effective(runtime, revision).SequenceEqual(Effective(runtime));

    /// <summary>Gives back one target: once, only where the assignment is still the one that this rollout wrote, and from
    /// then on no report makes it applied.</summary>
    private void GiveBack(RolloutRow rollout, TargetRow target)
    {
        target.GivenBack = true;
        if (!Runtimes.TryGetValue(target.RuntimeId, out var runtime) || runtime.State == RuntimeState.Deregistering)
            return;

        var assigned = runtime.Assignments.GetValueOrDefault(rollout.Key.Configuration);
        if (assigned?.Revision != (target.Digest is null ? null : rollout.Revision))
            return;

        if (Holds(Rule.WhatWasGivenBackLosesItsGeneration))
            target.Generation = 0;
        var changes = new Changes();
        ChooseFormer(runtime, rollout.Revision.Configuration, target.Former, changes);
        if (changes.Count > 0)
            Assign(runtime, changes, Cause.GiveBack);
    }

    /// <summary>Chooses the revision last reported as applied, if it still matches and was not rejected; else the stable one
    /// under the same conditions; else that last one again if it matches; else nothing.</summary>
    private static void ChooseFormer(RuntimeRow runtime, ConfigurationRow configuration, int? former, Changes changes)
    {
        var assigned = runtime.Assignments.GetValueOrDefault(configuration.Name);
        var good = configuration.Find(assigned is null ? former : assigned.Good) is { } g && g.Matches(runtime.Region) ? g : null;
        var stable = configuration.StableRevision is { } s && s.Matches(runtime.Region) ? s : null;
        var chosen = new[] { good, stable }.FirstOrDefault(r => r is not null && !runtime.Rejections.Contains(r.Digest!)) ?? good;
        if (assigned?.Revision != chosen)
            changes[configuration.Name] = chosen;
    }

    /// <summary><i>Sweep</i>: whoever is assigned an older revision than the stable one is assigned that if it matches, and
    /// loses the configuration if not; but not what it rejected.</summary>
    private void Sweep(ConfigurationRow configuration)
    {
        if (!Holds(Rule.SweepRuns) || configuration.StableRevision is not { } stable
            || Open(configuration.Name).Any(r => r.State != RolloutStates.Planned))
        {
            return;
        }

        foreach (var runtime in Runtimes.Values.Where(r => r.State != RuntimeState.Deregistering))
        {
            var assigned = runtime.Assignments.GetValueOrDefault(configuration.Name);
            var wanted = stable.Matches(runtime.Region) ? stable : null;
            if (assigned?.Revision.Number >= stable.Number || (wanted is null && assigned is null))
                continue;
            if (wanted is not null && runtime.Rejections.Contains(wanted.Digest!) && Holds(Rule.SweepLeavesOutWhatWasRejected))
                continue;

            if (wanted is not null && ChangesNothing(runtime, wanted))
                Renumber(runtime, wanted);
            else
                Assign(runtime, new Changes { [configuration.Name] = wanted }, Cause.Sweep, stable);
        }
    }

    /// <summary>Deferred targets of open rollouts wait again if their runtime can be sent to.</summary>
    /// <returns>The rollouts of which a target changed.</returns>
    private List<RolloutRow> Undefer(RuntimeRow runtime)
    {
        var changed = new List<RolloutRow>();
        foreach (var rollout in Rollouts.Where(r => !r.IsFinal && r.State != RolloutStates.RollingBack && CanBeSentTo(runtime)))
        {
            if (rollout.Targets.TryGetValue(runtime.Id, out var target) && target.State == TargetState.Deferred)
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
