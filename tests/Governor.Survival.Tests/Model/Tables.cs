using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Configurations;
using Governor.Director.Credentials;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;

namespace Governor.Survival.Tests.Model;

/// <summary>A configuration with its revisions, or a credential with its versions.</summary>
internal sealed class ItemRow(string name, long createdAt)
{
    public string Name { get; } = name;

    public long CreatedAt { get; } = createdAt;

    public bool IsCredential { get; } = Items.IsCredential(name);

    public List<RevisionRow> Revisions { get; } = [];

    /// <summary>The stable revision of a configuration; of a credential see <see cref="StableRevision"/>.</summary>
    public int Stable { get; set; }

    /// <summary>The stable revision, or the current version.</summary>
    public RevisionRow? StableRevision => IsCredential ? Revisions.Find(v => v.Stage == VersionStage.Current) : Find(Stable);

    public RevisionRow? Find(int? number) => number is > 0 ? Revisions[number.Value - 1] : null;

    /// <param name="copied">Takes its revisions, each with its copy.</param>
    public ItemRow Copy(Dictionary<RevisionRow, RevisionRow> copied)
    {
        var copy = new ItemRow(Name, CreatedAt) { Stable = Stable };
        foreach (var r in Revisions)
        {
            copied[r] = new RevisionRow(copy, r.Number, r.Content, r.Digest, r.Components)
            {
                Stage = r.Stage, StageSince = r.StageSince, RevocableAfter = r.RevocableAfter, RevocableAt = r.RevocableAt,
            };
            copy.Revisions.Add(copied[r]);
        }

        return copy;
    }
}

/// <summary>A revision, without content if it is a tombstone; or a version of a credential.</summary>
/// <param name="item">What it is a revision of.</param>
/// <param name="number">Its number.</param>
/// <param name="content">Content of a configuration's revision.</param>
/// <param name="digest">Digest of the components, or the version's id.</param>
/// <param name="components">The components of the content, if they were made before.</param>
internal sealed class RevisionRow(
    ItemRow item, int number, Content? content, string? digest, IReadOnlyList<DesiredComponent>? components = null)
{
    private IReadOnlyList<(string Name, string Value, string? Needs)>? parts;

    public ItemRow Item { get; } = item;
    public int Number { get; } = number;
    public Content? Content { get; } = content;
    public string? Digest { get; } = digest;
    public IReadOnlyList<DesiredComponent> Components { get; } = components ?? [.. content?.Components() ?? []];

    /// <summary>Of each component its value, and the item of the credential to which it refers.</summary>
    public IReadOnlyList<(string Name, string Value, string? Needs)> Parts => parts ??= [.. Components.Select(c =>
        (c.Name, Content.ValueOf(c), Content.CredentialOf(Content.ValueOf(c)) is { } credential ? Items.OfCredential(credential) : null))];

    public VersionStage? Stage { get; set; }
    public long StageSince { get; set; }
    public long? RevocableAfter { get; set; }
    public long? RevocableAt { get; set; }

    /// <summary>Whether it is a configuration's that a label makes match; a version matches who uses the credential.</summary>
    public bool Matches(string region) => Content?.Matches(region) == true;

    public bool Matches(RuntimeRow runtime) => Item.IsCredential ? runtime.Assignments.ContainsKey(Item.Name) : Matches(runtime.Region);

    /// <summary>Its first rollout.</summary>
    public RolloutKey Key => new(Item.Name, Number);
}

internal sealed class RuntimeRow(string id)
{
    public string Id { get; } = id;
    public string Region { get; set; } = "";
    public RuntimeState State { get; set; }
    public long StateSince { get; set; }
    public long Generation { get; set; }
    public long SentGeneration { get; set; }
    public long? SentAt { get; set; }
    public long? GoneGeneration { get; set; }
    public long? HeardAt { get; set; }
    public double ReportInterval { get; set; } = 60;
    public long Epoch { get; set; }
    public (long Epoch, long Number) Stamp { get; set; }
    public long ReportedGeneration { get; set; }

    /// <summary>Id of the pinned key.</summary>
    public string? Kid { get; set; }

    /// <summary>Id of the key that its Agent has instead, and whether it has shown that.</summary>
    public string? UntrustedKid { get; set; }
    public bool UntrustedIsShown { get; set; }
    public bool KeyRefused { get; set; }
    public bool NeedsKey => Kid is null || (UntrustedKid is not null && !UntrustedIsShown);
    public double? HealNotBefore { get; set; }
    public double HealBackOff { get; set; }

    /// <summary>Generation of its former life, from which it goes on; no column.</summary>
    public long Birth { get; init; }

    /// <summary>When its labels changed last; no column.</summary>
    public long RelabelledAt { get; set; } = -1;

    public SortedDictionary<string, AssignmentRow> Assignments { get; private set; } = new(StringComparer.Ordinal);
    public Dictionary<string, ReportItem> Report { get; set; } = [];
    public HashSet<string> Rejections { get; private set; } = new(StringComparer.Ordinal);

    public RuntimeRow Copy(Dictionary<RevisionRow, RevisionRow> revisions)
    {
        var copy = (RuntimeRow)MemberwiseClone();
        copy.Assignments = new(Assignments.ToDictionary(a => a.Key, a => a.Value.Copy(revisions[a.Value.Revision])), StringComparer.Ordinal);
        (copy.Report, copy.Rejections) = (new(Report), new(Rejections, StringComparer.Ordinal));
        return copy;
    }
}

internal sealed class AssignmentRow(RevisionRow revision)
{
    public RevisionRow Revision { get; set; } = revision;
    public long Generation { get; init; }
    public long? SentGeneration { get; set; }
    public long? SentAt { get; set; }
    public bool Reported { get; set; }
    public int? LastGood { get; set; }

    /// <summary>The revision last reported as applied.</summary>
    public int? Good => Reported ? Revision.Number : LastGood;

    public AssignmentRow Copy(RevisionRow its)
    {
        var copy = (AssignmentRow)MemberwiseClone();
        copy.Revision = its;
        return copy;
    }
}

/// <param name="revision">What it rolls out.</param>
/// <param name="nth">How many rollouts of the same revision there were before: rollbacks bring a credential's version again.</param>
/// <param name="policy">How.</param>
internal sealed class RolloutRow(RevisionRow revision, int nth, Policy policy)
{
    public RevisionRow Revision { get; private set; } = revision;
    public Policy Policy { get; } = policy;
    public RolloutKey Key { get; } = new(revision.Item.Name, revision.Number, nth);
    public string State { get; set; } = RolloutStates.Planned;
    public string? EndsAs { get; set; }
    public long TouchedAt { get; set; }
    public long? NextDueAt { get; set; }
    public RolloutRow? RollbackOf { get; set; }
    public RolloutRow? RolledBackBy { get; set; }
    public SortedDictionary<string, TargetRow> Targets { get; private set; } = new(StringComparer.Ordinal);
    public int[] Counters { get; private set; } = new int[Enum.GetValues<TargetState>().Length];
    public bool IsFinal => RolloutStates.Final.Contains(State);
    public int Failures => this[TargetState.Failed] + this[TargetState.Rejected] + this[TargetState.TimedOut];
    public int this[TargetState state] => Counters[(int)state];

    public RolloutRow Copy(RevisionRow its)
    {
        var copy = (RolloutRow)MemberwiseClone();
        (copy.Revision, copy.Counters) = (its, [.. Counters]);
        copy.Targets = new(Targets.ToDictionary(t => t.Key, t => t.Value.Copy()), StringComparer.Ordinal);
        return copy;
    }
}

internal sealed class TargetRow(string runtimeId)
{
    public string RuntimeId { get; } = runtimeId;
    public TargetState State { get; set; }
    public long Generation { get; set; }
    public string? Digest { get; set; }
    public int Attempts { get; set; }
    public int? Former { get; set; }
    public bool GivenBack { get; set; }

    /// <summary>Whether it is deferred because its runtime lacks a key.</summary>
    public bool LacksKey { get; set; }
    public long? DispatchedAt { get; set; }
    public bool WasDispatched => DispatchedAt is not null;
    public long? DeadlineAt { get; set; }
    public bool IsDone => State is not (TargetState.Waiting or TargetState.Dispatched or TargetState.Deferred);

    public TargetRow Copy() => (TargetRow)MemberwiseClone();

    /// <summary>Whether a report may still change it.</summary>
    public bool IsSpokenOf => (Generation > 0 || State == TargetState.Deferred)
        && State is not (TargetState.Applied or TargetState.Skipped or TargetState.Removed);
}

internal sealed class ActionRow(RolloutRow rollout, string kind, long requestedAt)
{
    public RolloutRow Rollout { get; } = rollout;
    public string Kind { get; } = kind;
    public long RequestedAt { get; } = requestedAt;
    public bool? Accepted { get; set; }
}

/// <summary>Digests of contents, computed once each.</summary>
internal static class Digests
{
    private static readonly System.Collections.Concurrent.ConcurrentDictionary<(string?, string?, string?), string> Known = new();

    public static string Of(Content content) =>
        Known.GetOrAdd((content.X, content.Y, content.Z), _ => ContentDigest.Of([.. content.Components()]));
}
