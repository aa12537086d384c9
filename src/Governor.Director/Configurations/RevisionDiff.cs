using Governor.Contracts;

namespace Governor.Director.Configurations;

/// <summary>How two revisions differ, component by component.</summary>
/// <param name="Added">Components that only the second has.</param>
/// <param name="Removed">Components that only the first has.</param>
/// <param name="Changed">Components that differ, as they were and as they are.</param>
/// <param name="TargetChanged">Whether the target selector differs.</param>
/// <param name="PriorityChanged">Whether the priority differs.</param>
internal sealed record RevisionDiff(
    int From, int To, IReadOnlyList<DesiredComponent> Added, IReadOnlyList<DesiredComponent> Removed,
    IReadOnlyList<ComponentChange> Changed, bool TargetChanged, bool PriorityChanged)
{
    public static RevisionDiff Of(int from, ConfigurationContent? a, int to, ConfigurationContent? b)
    {
        var (old, now) = (a ?? ConfigurationContent.Empty, b ?? ConfigurationContent.Empty);
        var before = old.Components.ToDictionary(c => c.Name, StringComparer.Ordinal);
        var after = now.Components.ToDictionary(c => c.Name, StringComparer.Ordinal);
        var changed = before.Keys.Where(after.ContainsKey)
            .Where(name => ContentDigest.Of([before[name]]) != ContentDigest.Of([after[name]]))
            .Select(name => new ComponentChange(before[name], after[name]));
        return new RevisionDiff(
            from, to,
            [.. now.Components.Where(c => !before.ContainsKey(c.Name))],
            [.. old.Components.Where(c => !after.ContainsKey(c.Name))],
            [.. changed],
            !(old with { Components = [], Priority = 0 }).SameAs(now with { Components = [], Priority = 0 }),
            old.Priority != now.Priority);
    }
}

/// <summary>A component before and after.</summary>
internal sealed record ComponentChange(DesiredComponent Before, DesiredComponent After);
