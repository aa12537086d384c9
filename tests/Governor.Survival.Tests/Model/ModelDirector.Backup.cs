using Governor.Survival.Tests.Fleet;

namespace Governor.Survival.Tests.Model;

/// <content>A backup of the tables, and what an operator does with it.</content>
internal sealed partial class ModelDirector
{
    private Tables? backup;
    private long restoredAt;
    private int restorations;

    private sealed record Tables(
        SortedDictionary<string, ItemRow> Configurations, SortedDictionary<string, ItemRow> Credentials,
        SortedDictionary<string, RuntimeRow> Runtimes, List<RolloutRow> Rollouts, List<ActionRow> Actions,
        SortedDictionary<string, long> Retired, SortedDictionary<(string, string), long> Holdings, long RestoredAt, long ListeningSince);

    public void BackUp() => backup = Copy();

    /// <summary>Whether there is a backup.</summary>
    public bool HasBackup => backup is not null;

    /// <summary><i>Restored database</i>: all generations go up to a base that no message had before.</summary>
    public void Restore()
    {
        (Configurations, Credentials, Runtimes, Rollouts, actions, retired, holdings, restoredAt, listeningSince) = backup!;
        backup = Copy();
        restorations++;
        restoredAt = Math.Max(WorldClock.Beginning.AddSeconds(now()).ToUnixTimeMilliseconds(), restoredAt + 1);
        foreach (var runtime in Runtimes.Values)
        {
            runtime.Generation = runtime.Generation < restoredAt ? restoredAt : runtime.Generation + 1;
            (runtime.HealNotBefore, runtime.HealBackOff) = (null, 0);
        }

        foreach (var id in retired.Keys.ToList())
            retired[id] = Math.Max(retired[id], restoredAt);
        ListenAgain();
    }

    /// <summary>The tables with rows of their own.</summary>
    private Tables Copy()
    {
        var revisions = new Dictionary<RevisionRow, RevisionRow>();
        var (configurations, credentials) = (Copy(Configurations, revisions), Copy(Credentials, revisions));
        var rollouts = Rollouts.ToDictionary(r => r, r => r.Copy(revisions[r.Revision]));
        foreach (var (old, made) in rollouts)
        {
            made.RollbackOf = old.RollbackOf is { } of ? rollouts[of] : null;
            made.RolledBackBy = old.RolledBackBy is { } by ? rollouts[by] : null;
        }

        return new Tables(configurations, credentials,
            new SortedDictionary<string, RuntimeRow>(Runtimes.ToDictionary(r => r.Key, r => r.Value.Copy(revisions)), StringComparer.Ordinal),
            [.. Rollouts.Select(r => rollouts[r])],
            [.. actions.Select(a => new ActionRow(rollouts[a.Rollout], a.Kind, a.RequestedAt) { Accepted = a.Accepted })],
            new SortedDictionary<string, long>(retired, StringComparer.Ordinal), new SortedDictionary<(string, string), long>(holdings),
            restoredAt, listeningSince);
    }

    private static SortedDictionary<string, ItemRow> Copy(SortedDictionary<string, ItemRow> items, Dictionary<RevisionRow, RevisionRow> revisions)
    {
        var copies = new SortedDictionary<string, ItemRow>(StringComparer.Ordinal);
        foreach (var item in items.Values)
            copies[item.Name] = item.Copy(revisions);
        return copies;
    }
}
