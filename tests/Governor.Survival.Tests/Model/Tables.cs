using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Configurations;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;

namespace Governor.Survival.Tests.Model;

internal sealed class ConfigurationRow(string name, long createdAt)
{
    public string Name { get; } = name;

    public long CreatedAt { get; } = createdAt;

    public List<RevisionRow> Revisions { get; } = [];

    public int Stable { get; set; }

    public RevisionRow? StableRevision => Find(Stable);

    public RevisionRow? Find(int? number) => number is > 0 ? Revisions[number.Value - 1] : null;
}

/// <summary>A revision; no content is a tombstone.</summary>
internal sealed record RevisionRow(ConfigurationRow Configuration, int Number, Content? Content)
{
    public IReadOnlyList<DesiredComponent> Components { get; } = [.. Content?.Components() ?? []];

    public string? Digest { get; } = Content is null ? null : Digests.Of(Content);

    public bool Matches(string region) => Content?.Matches(region) == true;

    public RolloutKey Key => new(Configuration.Name, Number);
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
    public bool Enrolled { get; set; }
    public double? HealNotBefore { get; set; }
    public double HealBackOff { get; set; }

    /// <summary>Generation of its former life, from which it goes on; no column.</summary>
    public long Birth { get; init; }

    /// <summary>When its labels changed last; no column.</summary>
    public long RelabelledAt { get; set; } = -1;

    public SortedDictionary<string, AssignmentRow> Assignments { get; } = new(StringComparer.Ordinal);
    public Dictionary<string, ReportItem> Report { get; set; } = [];
    public HashSet<string> Rejections { get; } = new(StringComparer.Ordinal);
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
}

internal sealed class RolloutRow(RevisionRow revision, Policy policy)
{
    public RevisionRow Revision { get; } = revision;
    public Policy Policy { get; } = policy;
    public RolloutKey Key => Revision.Key;
    public string State { get; set; } = RolloutStates.Planned;
    public string? EndsAs { get; set; }
    public long TouchedAt { get; set; }
    public long? NextDueAt { get; set; }
    public RolloutRow? RollbackOf { get; init; }
    public RolloutRow? RolledBackBy { get; set; }
    public SortedDictionary<string, TargetRow> Targets { get; } = new(StringComparer.Ordinal);
    public int[] Counters { get; } = new int[Enum.GetValues<TargetState>().Length];
    public bool IsFinal => RolloutStates.Final.Contains(State);
    public int Failures => this[TargetState.Failed] + this[TargetState.Rejected] + this[TargetState.TimedOut];
    public int this[TargetState state] => Counters[(int)state];
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
    public long? DispatchedAt { get; set; }
    public long? DeadlineAt { get; set; }
    public bool IsDone => State is not (TargetState.Waiting or TargetState.Dispatched or TargetState.Deferred);

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
