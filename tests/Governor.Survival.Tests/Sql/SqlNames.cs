namespace Governor.Survival.Tests.Sql;

/// <summary>What the model calls things that have a random id in the database.</summary>
internal sealed class SqlNames
{
    private readonly Dictionary<Guid, RolloutKey> rollouts = [];
    private readonly Dictionary<string, string> labels = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> versions = new(StringComparer.Ordinal);
    private readonly List<Guid> actions = [];

    public void Clear()
    {
        rollouts.Clear();
        labels.Clear();
        versions.Clear();
        actions.Clear();
    }

    /// <summary>Names a rollout that was just planned.</summary>
    public void Add(Guid rollout, string item, int revision) => rollouts.TryAdd(
        rollout, new RolloutKey(item, revision, rollouts.Values.Count(k => k.Item == item && k.Revision == revision)));

    public void AddAction(Guid action) => actions.Add(action);

    public void AddVersion(string versionId, string label) => (labels[versionId], versions[label]) = (label, versionId);

    /// <summary>Forgets what a restored database does not know.</summary>
    public void Keep(IReadOnlySet<Guid> ofRollouts, IReadOnlySet<Guid> ofActions)
    {
        foreach (var id in rollouts.Keys.Where(id => !ofRollouts.Contains(id)).ToList())
            rollouts.Remove(id);
        actions.RemoveAll(id => !ofActions.Contains(id));
    }

    public bool Knows(Guid rollout) => rollouts.ContainsKey(rollout);

    public RolloutKey? KeyOf(Guid? rollout) => rollout is { } id ? rollouts[id] : null;

    /// <summary>The rollout, or null if the database does not know it.</summary>
    public Guid? IdOf(RolloutKey key) => rollouts.Where(r => r.Value == key).Select(r => (Guid?)r.Key).SingleOrDefault();

    public int NumberOf(Guid action) => actions.IndexOf(action);

    /// <summary>The action, or null if the database does not know it.</summary>
    public Guid? Action(int number) => number < actions.Count ? actions[number] : null;

    /// <summary>Label of a version id; whatever else is compared stays as it is.</summary>
    public string LabelOf(string digest) => labels.GetValueOrDefault(digest, digest);

    public string VersionOf(string label) => versions.GetValueOrDefault(label, label);
}
