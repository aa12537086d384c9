using Governor.Contracts;
using Governor.Director.Configurations;
using Governor.Director.Runtimes;

namespace Governor.Director.Assignments;

/// <summary>A set of runtimes that one transaction has locked, with what they are assigned and what is to change.</summary>
internal sealed class FleetSlice(IReadOnlyDictionary<string, FleetMember> members)
{
    public IReadOnlyDictionary<string, FleetMember> Members { get; } = members;

    public FleetMember? Find(string runtimeId) => Members.GetValueOrDefault(runtimeId);
}

/// <summary>One runtime of a <see cref="FleetSlice"/>.</summary>
internal sealed class FleetMember(
    Runtime runtime,
    IReadOnlyDictionary<string, Assignment> assignments,
    IReadOnlyDictionary<RevisionKey, RevisionContent> contents,
    bool away)
{
    private bool isAway = away;
    private readonly Dictionary<string, RevisionContent?> changes = new(StringComparer.Ordinal);

    public Runtime Runtime { get; } = runtime;

    /// <summary>What it was assigned when it was locked, by configuration.</summary>
    public IReadOnlyDictionary<string, Assignment> Assignments { get; } = assignments;

    /// <summary>What is to change: per configuration its new revision, or null if it is to lose it.</summary>
    public IReadOnlyDictionary<string, RevisionContent?> Changes => changes;

    /// <summary>Configurations that are sent again although their assignment stays: the drift job waits for them.</summary>
    public HashSet<string> Resent { get; } = new(StringComparer.Ordinal);

    /// <summary>Stable code of the reason why nothing can be sent to it now, or null.</summary>
    public string? WhyNotSent => Runtime.State == RuntimeState.Provisioning ? "not-ready" : isAway ? "away" : null;

    /// <summary>The configurations of which the drift job is to wait for an answer although they do not change: those that are
    /// sent again because of them, and those that go out for the first time, after it could not be sent to.</summary>
    public IEnumerable<string> SentWithoutChange() => Assignments.Values
        .Where(a => a.SentGeneration is null || Resent.Contains(a.Configuration))
        .Select(a => a.Configuration).Where(c => !changes.ContainsKey(c));

    /// <summary>Whether it should hold a revision.</summary>
    public bool Matches(RevisionContent revision) => revision.Matches(Runtime.RuntimeId, Runtime.Kind, Runtime.Labels);

    /// <summary>Its report has just come: it is not away.</summary>
    public void IsHeard() => isAway = false;

    /// <summary>The revision that it is assigned of a configuration, or null.</summary>
    public RevisionContent? AssignedRevision(string configuration) =>
        Assignments.TryGetValue(configuration, out var assigned)
            ? contents[new RevisionKey(Runtime.Tenant, configuration, assigned.Revision)]
            : null;

    /// <summary>Assigns it a revision; null takes the configuration away.</summary>
    public void Assign(string configuration, RevisionContent? revision) => changes[configuration] = revision;

    /// <summary>Everything that it should hold once the changes are written.</summary>
    public DesiredState Desired() => DesiredStateComposer.Compose(Revisions(changes).Select(ToAssigned));

    /// <summary>Whether what is in force in the runtime stays the same if a configuration's revision becomes another one.</summary>
    public bool StaysEffective(string configuration, RevisionContent revision) => EffectiveContent.Same(
        DesiredStateComposer.Compose(Revisions(new Dictionary<string, RevisionContent?>()).Select(ToAssigned)),
        DesiredStateComposer.Compose(
            Revisions(new Dictionary<string, RevisionContent?> { [configuration] = revision }).Select(ToAssigned)));

    /// <summary>Bytes of content that it is to hold: about what its message takes.</summary>
    public long Size() => Revisions(changes).Sum(r => (long)r.Size);

    /// <summary>Bytes of content that it was assigned when it was locked.</summary>
    public long FormerSize() => Revisions(new Dictionary<string, RevisionContent?>()).Sum(r => (long)r.Size);

    /// <summary>The same for runtimes with the same set of revisions: their messages differ in id and generation only.</summary>
    public string Fingerprint() => string.Join(';',
        Revisions(changes).Select(r => $"{r.Configuration}@{r.Revision}").Order(StringComparer.Ordinal).Prepend(Runtime.Tenant));

    private IEnumerable<RevisionContent> Revisions(IReadOnlyDictionary<string, RevisionContent?> over)
    {
        foreach (var (configuration, assignment) in Assignments)
        {
            if (!over.ContainsKey(configuration))
                yield return contents[new RevisionKey(Runtime.Tenant, configuration, assignment.Revision)];
        }

        foreach (var revision in over.Values)
        {
            if (revision is not null)
                yield return revision;
        }
    }

    private static AssignedContent ToAssigned(RevisionContent revision) => new(
        revision.Configuration, revision.Revision, revision.Digest!, revision.Content!.Priority, revision.CreatedOrder,
        revision.Content.Components);
}
