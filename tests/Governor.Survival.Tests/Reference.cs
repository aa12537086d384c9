using Governor.Director.Rollouts;
using Governor.Survival.Tests.Model;

namespace Governor.Survival.Tests;

/// <summary>What a runtime may be assigned, by final rollouts, labels and rejections alone.</summary>
internal static class Reference
{
    /// <returns>The revisions allowed; 0 for none.</returns>
    public static IReadOnlySet<int> Of(ModelDirector director, RuntimeRow runtime, ItemRow configuration, HashSet<string> everRejected)
    {
        var rollouts = director.Rollouts.Where(r => r.Revision.Item == configuration).OrderBy(r => r.Key.Revision).ToList();
        var stable = rollouts.Where(r => RolloutStates.IsGood(r.State)).Select(r => r.Key.Revision).DefaultIfEmpty().Max();
        int OrNone(int revision) => configuration.Find(revision)?.Matches(runtime.Region) == true ? revision : 0;

        var expected = new HashSet<int> { OrNone(stable) };
        foreach (var rollout in rollouts.Where(r => r.Key.Revision > stable))
        {
            var target = rollout.Targets.GetValueOrDefault(runtime.Id);
            if (target is null || target.Generation <= runtime.Birth)
                continue;

            // It was to be taken away, and was never seen to be, because the rollout ended before: the stable one is at its place.
            if (target is { Digest: null, WasDispatched: true })
                expected.Add(OrNone(stable));
            if (target.State is not (TargetState.Applied or TargetState.Skipped))
                continue;

            var former = expected;
            expected = [target.Digest is null ? OrNone(stable) : OrNone(rollout.Key.Revision) is > 0 and var held ? held : OrNone(stable)];

            // It may have left and come back.
            if (runtime.RelabelledAt >= (target.DispatchedAt ?? 0))
                expected.Add(OrNone(stable));

            // Given back was what had been reported by then.
            if (rollouts.Exists(r => r.Key.Revision > rollout.Key.Revision && r.Targets.GetValueOrDefault(runtime.Id)?.GivenBack == true))
                expected.UnionWith([.. former, OrNone(stable)]);
        }

        // Who refused one of these may be left with any that matches, or none.
        if (expected.Any(n => configuration.Find(n)?.Digest is { } digest && everRejected.Contains(digest)))
            expected.UnionWith([0, .. configuration.Revisions.Where(r => r.Matches(runtime.Region)).Select(r => r.Number)]);
        return expected;
    }
}
