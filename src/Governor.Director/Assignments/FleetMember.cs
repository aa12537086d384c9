using Governor.Contracts;
using Governor.Director.Configurations;
using Governor.Director.Runtimes;

namespace Governor.Director.Assignments;

/// <summary>One runtime of a <see cref="FleetSlice"/>: what it is assigned, what is to change, and what follows from both.</summary>
/// <param name="runtime">The runtime, locked.</param>
/// <param name="assignments">What it is assigned, by item.</param>
/// <param name="contents">The revisions and versions assigned.</param>
/// <param name="current">The current version of each credential of its tenant, by item; none where nothing is to change.</param>
/// <param name="away">Whether nobody is known to listen.</param>
internal sealed class FleetMember(
    Runtime runtime,
    IReadOnlyDictionary<string, Assignment> assignments,
    IReadOnlyDictionary<RevisionKey, RevisionContent> contents,
    IReadOnlyDictionary<string, RevisionContent> current,
    bool away)
{
    private static readonly Dictionary<string, RevisionContent?> Nothing = [];

    private readonly Dictionary<string, RevisionContent?> asked = new(StringComparer.Ordinal);
    private bool isAway = away;
    private MemberPlan? plan;

    public Runtime Runtime { get; } = runtime;

    /// <summary>What it was assigned when it was locked, by item.</summary>
    public IReadOnlyDictionary<string, Assignment> Assignments { get; } = assignments;

    /// <summary>What is to change: per item its new revision, or null if it is to lose it. With the credentials that follow from
    /// it: those that a component in force begins to refer to, and those that none refers to any more.</summary>
    public IReadOnlyDictionary<string, RevisionContent?> Changes => Plan.Changes;

    /// <summary>Items that are sent again although their assignment stays: the drift job waits for them.</summary>
    public HashSet<string> Resent { get; } = new(StringComparer.Ordinal);

    /// <summary>Stable code of the reason why nothing can be sent to it now, or null.</summary>
    public string? WhyNotSent => WhyNot(Plan);

    /// <summary>The items of which the drift job is to wait for an answer although they do not change: those that are
    /// sent again because of them, and those that go out for the first time, after it could not be sent to.</summary>
    public IEnumerable<string> SentWithoutChange() => Assignments.Values
        .Where(a => a.SentGeneration is null || Resent.Contains(a.Item))
        .Select(a => a.Item).Where(item => !Changes.ContainsKey(item));

    /// <summary>Whether it should hold a revision: it matches the selector, or uses the credential.</summary>
    public bool Matches(RevisionContent revision) => revision.IsCredential
        ? Assignments.ContainsKey(revision.Item) : revision.Matches(Runtime.RuntimeId, Runtime.Kind, Runtime.Labels);

    /// <summary>Its report has just come: it is not away.</summary>
    public void IsHeard() => isAway = false;

    /// <summary>The revision that it is assigned of an item, or null.</summary>
    public RevisionContent? AssignedRevision(string item) => Assignments.TryGetValue(item, out var assigned) ? Content(assigned) : null;

    /// <summary>Assigns it a revision; null takes the item away.</summary>
    public void Assign(string item, RevisionContent? revision) => (asked[item], plan) = (revision, null);

    /// <summary>Why nothing could be sent to it if it were assigned a revision; see <see cref="WhyNotSent"/>.</summary>
    public string? WhyNotSentWith(string item, RevisionContent? revision) =>
        WhyNot(MakePlan(new Dictionary<string, RevisionContent?>(asked, StringComparer.Ordinal) { [item] = revision }));

    /// <summary>Everything that it should hold once the changes are written, without the secrets.</summary>
    public DesiredState Desired() => Compose(Plan.Revisions) with
    {
        Credentials =
        [
            .. Credentials().Select(c => new DesiredCredential(Items.Credential(c.Item)!, c.Revision, c.Digest!)),
        ],
    };

    /// <summary>The credential versions that it should hold once the changes are written, by name.</summary>
    public IEnumerable<RevisionContent> Credentials() =>
        Plan.Revisions.Where(r => r.IsCredential).OrderBy(r => r.Item, StringComparer.Ordinal);

    /// <summary>Whether what is in force in the runtime stays the same if a configuration's revision becomes another one.</summary>
    public bool StaysEffective(string item, RevisionContent revision) => revision.IsCredential || EffectiveContent.Same(
        Compose(Revisions(Nothing)), Compose(Revisions(new Dictionary<string, RevisionContent?> { [item] = revision })));

    /// <summary>Bytes of content that it is to hold: about what its message takes.</summary>
    public long Size() => Plan.Revisions.Sum(r => (long)r.Size);

    /// <summary>Bytes of its configurations once the changes are written: what a limit is on.</summary>
    public long ContentSize() => ContentSize(Plan.Revisions);

    /// <summary>Bytes of its configurations when it was locked.</summary>
    public long FormerContentSize() => ContentSize(Revisions(Nothing));

    /// <summary>The same for runtimes with the same set of revisions: their messages differ in id, generation and secrets only.</summary>
    public string Fingerprint() => string.Join(';',
        Plan.Revisions.Select(r => $"{r.Item}@{r.Revision}").Order(StringComparer.Ordinal).Prepend(Runtime.Tenant));

    private static long ContentSize(IEnumerable<RevisionContent> revisions) => revisions.Where(r => !r.IsCredential).Sum(r => (long)r.Size);

    private MemberPlan Plan => plan ??= MakePlan(asked);

    private string? WhyNot(MemberPlan of) => Runtime.State == RuntimeState.Provisioning ? "not-ready"
        : isAway ? "away"
        : (Runtime.Kid is null || Runtime.KeyRefused) && of.Revisions.Any(r => r.IsCredential) ? "no-key"
        : null;

    private MemberPlan MakePlan(Dictionary<string, RevisionContent?> over)
    {
        var changes = new Dictionary<string, RevisionContent?>(over, StringComparer.Ordinal);
        var needed = NeededCredentials([.. Revisions(over).Where(r => !r.IsCredential)]);
        foreach (var item in needed)
        {
            if (changes.GetValueOrDefault(item) is null && (changes.ContainsKey(item) || !Assignments.ContainsKey(item))
                && current.TryGetValue(item, out var version))
            {
                changes[item] = version;
            }
        }

        foreach (var item in Assignments.Keys.Union(over.Keys).Where(i => Items.IsCredential(i) && !needed.Contains(i)).ToList())
        {
            if (Assignments.ContainsKey(item))
                changes[item] = null;
            else
                changes.Remove(item);
        }

        return new MemberPlan(changes, [.. Revisions(changes)]);
    }

    /// <summary>The credentials, as items, to which components in force refer.</summary>
    private static HashSet<string> NeededCredentials(IReadOnlyList<RevisionContent> configurations) =>
        configurations.All(c => c.Credentials.Count == 0)
            ? []
            : Compose(configurations).Configurations.SelectMany(c => c.Components).Where(c => !c.Shadowed)
                .SelectMany(c => c.Metadata).Select(m => m.SecretKeyRef?.Name).OfType<string>()
                .Select(Items.OfCredential).ToHashSet(StringComparer.Ordinal);

    private IEnumerable<RevisionContent> Revisions(IReadOnlyDictionary<string, RevisionContent?> over)
    {
        foreach (var (item, assignment) in Assignments)
        {
            if (!over.ContainsKey(item))
                yield return Content(assignment);
        }

        foreach (var revision in over.Values)
        {
            if (revision is not null)
                yield return revision;
        }
    }

    private RevisionContent Content(Assignment assigned) => contents[new RevisionKey(Runtime.Tenant, assigned.Item, assigned.Revision)];

    private static DesiredState Compose(IEnumerable<RevisionContent> revisions) => DesiredStateComposer.Compose(
        revisions.Where(r => !r.IsCredential).Select(r => new AssignedContent(
            r.Item, r.Revision, r.Digest!, r.Content!.Priority, r.CreatedOrder, r.Content.Components)));

    /// <param name="Changes">What is to change, credentials included.</param>
    /// <param name="Revisions">All that it is to hold then.</param>
    private sealed record MemberPlan(IReadOnlyDictionary<string, RevisionContent?> Changes, IReadOnlyList<RevisionContent> Revisions);
}
