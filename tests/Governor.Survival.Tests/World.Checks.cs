using Governor.Director.Drift;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using Governor.Survival.Tests.Model;

namespace Governor.Survival.Tests;

/// <content>What must hold, all through and at the end.</content>
internal sealed partial class World
{
    /// <summary>The generation at which another hand last changed a runtime.</summary>
    private readonly Dictionary<string, long> tampered = new(StringComparer.Ordinal);

    private readonly Dictionary<(string RuntimeId, long Generation), Whole> wholes = [];
    private readonly Dictionary<string, Whole> lastTaken = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long Birth, long Generation)> knowledge = new(StringComparer.Ordinal);

    /// <summary>What was given back is judged by the reports of its own former rollout.</summary>
    private readonly HashSet<(string RuntimeId, RolloutKey Revision)> givenBack = [];

    /// <summary>The newest generation at which a runtime really held a digest of a configuration; an empty one is its
    /// absence.</summary>
    private readonly Dictionary<(string RuntimeId, string Configuration, string Digest), long> held = [];

    private void CheckOrder(string runtimeId, long generation)
    {
        var newest = Applied(runtimeId);
        Require(generation >= newest, "an older generation was applied", () => $"{runtimeId} applies g{generation} after g{newest}");
        if (wholes.GetValueOrDefault((runtimeId, generation)) is { } whole)
            lastTaken[runtimeId] = whole;
    }

    private long Applied(string runtimeId) => Agent(int.Parse(runtimeId.AsSpan(1))).Runtime.HandledGeneration;

    private void Handling(int runtime, IReadOnlyList<Mail> batch)
    {
        foreach (var whole in batch.OfType<Whole>())
            wholes[(Name(runtime), whole.Generation)] = whole;
    }

    /// <summary>Looks into a runtime itself, whatever its Agent says.</summary>
    private void CheckTruth(int runtime)
    {
        var runtimeId = Name(runtime);
        if (!lastTaken.TryGetValue(runtimeId, out var whole))
            return;

        CheckSecrets(runtime, whole);
        var there = Agent(runtime).Runtime.Components;
        foreach (var configuration in model.Configurations.Keys)
        {
            var desired = whole.Desired.Configurations.FirstOrDefault(c => c.Name == configuration);
            if (desired?.Components.Where(c => !c.Shadowed)
                .All(c => there.GetValueOrDefault(c.Name) == (configuration, Content.ValueOf(c)) && HasItsSecret(runtime, whole, Content.ValueOf(c))) == true)
            {
                Hold(runtimeId, configuration, desired.Digest, whole.Generation);
            }

            if (there.Values.All(c => c.Configuration != configuration))
                Hold(runtimeId, configuration, "", whole.Generation);
            if (Agent(runtime).Runtime.Shown(configuration) is { } former && former != desired?.Digest)
                Hold(runtimeId, configuration, former, whole.Generation);
        }
    }

    private void Hold(string runtimeId, string configuration, string digest, long generation)
    {
        var key = (runtimeId, configuration, digest);
        held[key] = Math.Max(generation, held.GetValueOrDefault(key));
    }

    private long HeldAt(string runtimeId, string configuration, string? digest) =>
        held.GetValueOrDefault((runtimeId, configuration, digest ?? ""), -1);

    private void CheckMove(RolloutRow rollout, TargetRow target)
    {
        trace?.Add($"   {rollout.Key} {target.RuntimeId} becomes {target.State}");
        if (target.State is TargetState.Applied or TargetState.Skipped)
        {
            Require(HeldAt(target.RuntimeId, rollout.Key.Item, target.Digest) >= target.Generation,
                "a target is done that its runtime never held",
                () => $"{rollout.Key} {target.RuntimeId} {target.State} at g{target.Generation}, held at g{HeldAt(target.RuntimeId, rollout.Key.Item, target.Digest)}");
        }

        CheckKey(rollout, target);
        if (target.State == TargetState.Dispatched)
        {
            Require(rollout[TargetState.Dispatched] <= (rollout.Policy.MaxConcurrency ?? int.MaxValue) && rollout.State == RolloutStates.Progressing,
                "dispatched beyond what is allowed", () => $"{rollout.Key} {rollout.State}: {rollout[TargetState.Dispatched]} at once");
        }
    }

    private void CheckAssignment(RuntimeRow runtime, RevisionRow? old, RevisionRow revision, Cause cause)
    {
        trace?.Add($"   assign {runtime.Id} {revision.Key} for {cause}");
        if (cause == Cause.GiveBack)
            givenBack.Add((runtime.Id, revision.Key));
        CheckVersion(runtime, old, revision, cause);
        Require(cause is Cause.Dispatch or Cause.GiveBack || old == revision || !runtime.Rejections.Contains(revision.Digest!),
            "what was rejected is brought again", () => $"{revision.Key} to {runtime.Id} by {cause}");
    }

    private void CheckSend(Whole whole)
    {
        CheckSentVersions(whole);
        foreach (var configuration in whole.Desired.Configurations)
        {
            var rollout = model.Find(new RolloutKey(configuration.Name, configuration.Revision));
            var target = rollout.Targets.GetValueOrDefault(whole.RuntimeId);
            Require(rollout.State is not (RolloutStates.Failed or RolloutStates.Aborted or RolloutStates.RolledBack)
                || target?.State is TargetState.Applied or TargetState.Skipped
                || HeldAt(whole.RuntimeId, configuration.Name, configuration.Digest) >= 0,
                "what ended badly is sent to who never held it", () => $"{rollout.Key} ({rollout.State}) to {whole.RuntimeId}");
        }
    }

    /// <summary>What is acknowledged was applied, or something newer.</summary>
    private void CheckAcknowledged(string runtimeId, IEnumerable<Mail> batch)
    {
        var key = Agent(int.Parse(runtimeId.AsSpan(1))).Key.PublicKey.Kid;
        var newest = batch.OfType<Whole>().MaxBy(w => w.Generation) is { } whole && (whole.Kid is null || whole.Kid == key) ? whole.Generation : 0;
        Require(Applied(runtimeId) >= newest, "the newest of a batch was not applied", () => $"{runtimeId} acknowledges g{newest} at g{Applied(runtimeId)}");
    }

    /// <summary>A runtime never goes back; neither does what is known of it.</summary>
    private void CheckKnowledge()
    {
        foreach (var runtime in model.Runtimes.Values)
        {
            var (birth, known) = knowledge.GetValueOrDefault(runtime.Id);
            Require(birth != runtime.Birth || runtime.ReportedGeneration >= known, "what is known of a runtime goes back",
                () => $"{runtime.Id} from g{known} to g{runtime.ReportedGeneration}");
            knowledge[runtime.Id] = (runtime.Birth, runtime.ReportedGeneration);
        }
    }

    private void Tampered(int runtime, bool happened)
    {
        if (happened)
            tampered[Name(runtime)] = Applied(Name(runtime));
    }

    private void CheckCounters()
    {
        Span<int> counted = stackalloc int[Enum.GetValues<TargetState>().Length];
        foreach (var rollout in model.Rollouts)
        {
            counted.Clear();
            foreach (var target in rollout.Targets.Values)
                counted[(int)target.State]++;
            if (!counted.SequenceEqual(rollout.Counters))
                throw new CounterexampleException("counters differ from their targets", rollout.Key.ToString());
        }
    }

    private void CheckEnd()
    {
        foreach (var rollout in model.Rollouts)
        {
            Require(rollout.IsFinal, "a rollout is stuck", () => $"{rollout.Key} is {rollout.State}");
            Require(rollout.Targets.Values.All(t => t.State is not (TargetState.Waiting or TargetState.Dispatched)),
                "a target is stuck", () => $"in {rollout.Key}, {rollout.State}");
        }

        CheckRevocableAtEnd();
        for (var i = 0; i < agents.Length; i++)
        {
            if (agents[i].IsUp && model.Runtimes.TryGetValue(Name(i), out var runtime))
                CheckEnd(runtime, agents[i].Runtime);
        }
    }

    private void CheckEnd(RuntimeRow runtime, Fleet.RuntimeInMemory real)
    {
        Require(runtime.State == RuntimeState.Ready, "a runtime is stuck", () => $"{runtime.Id} is {runtime.State}");
        foreach (var configuration in model.Configurations.Values)
        {
            var assigned = runtime.Assignments.GetValueOrDefault(configuration.Name)?.Revision.Number;
            var expected = Reference.Of(model, runtime, configuration, real.EverRejected);
            Require(expected.Contains(assigned ?? 0), "an assignment is not what the finished rollouts say",
                () => $"{runtime.Id} is assigned {configuration.Name}/{assigned ?? 0}, expected {string.Join(" or ", expected)}");
        }

        CheckCurrent(runtime);
        var byHand = mode != DriftMode.Heal && tampered.TryGetValue(runtime.Id, out var at) && at >= real.HandledGeneration;
        if (byHand || runtime.Assignments.Values.Any(a => runtime.Rejections.Contains(a.Revision.Digest!)))
            return;

        var effective = ModelDirector.Effective(runtime);
        Require(effective.SequenceEqual(real.Components), "a runtime does not hold its assignments",
            () => $"{runtime.Id} holds {Text(real.Components)}, should hold {Text(effective)}");
        CheckSecretsAtEnd(runtime, real);
        foreach (var stable in model.Configurations.Values.Select(c => c.StableRevision).OfType<RevisionRow>())
        {
            var target = model.Find(stable.Key).Targets.GetValueOrDefault(runtime.Id);
            Require(target is null or { GivenBack: true } or { State: TargetState.Applied or TargetState.Skipped or TargetState.Removed }
                || runtime.Assignments.GetValueOrDefault(stable.Item.Name)?.Revision != stable
                || givenBack.Contains((runtime.Id, stable.Key)),
                "a target does not tell the truth", () => $"{stable.Key} {runtime.Id} is {target!.State}, and holds it");
        }
    }

    private static string Text(IEnumerable<KeyValuePair<string, (string Configuration, string Value)>> components) =>
        $"[{string.Join(", ", components.Select(c => $"{c.Key}={c.Value.Value} of {c.Value.Configuration}"))}]";
}
