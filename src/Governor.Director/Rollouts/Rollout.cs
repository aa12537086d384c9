using Governor.Director.Assignments;
using MassTransit;

namespace Governor.Director.Rollouts;

/// <summary>Names of a rollout's states, as stored, shown and published.</summary>
internal static class RolloutStates
{
    public const string Planned = nameof(Planned);
    public const string Progressing = nameof(Progressing);
    public const string Aborting = nameof(Aborting);
    public const string RollingBack = nameof(RollingBack);
    public const string Succeeded = nameof(Succeeded);
    public const string CompletedWithDeferred = nameof(CompletedWithDeferred);
    public const string CompletedWithFailures = nameof(CompletedWithFailures);
    public const string Failed = nameof(Failed);
    public const string Aborted = nameof(Aborted);
    public const string RolledBack = nameof(RolledBack);
    public const string Superseded = nameof(Superseded);

    /// <summary>The states that a rollout never leaves.</summary>
    public static readonly IReadOnlySet<string> Final = new HashSet<string>(StringComparer.Ordinal)
    {
        Succeeded, CompletedWithDeferred, CompletedWithFailures, Failed, Aborted, RolledBack, Superseded,
    };

    /// <summary>Every state.</summary>
    public static readonly IReadOnlyList<string> All = [Planned, Progressing, Aborting, RollingBack, .. Final];

    /// <summary>The final states that make the revision stable.</summary>
    public static bool IsGood(string state) => state is Succeeded or CompletedWithDeferred or CompletedWithFailures;
}

/// <summary>One revision on its way to its targets. The row is the saga's instance: an action that follows the answer at
/// once finds it.</summary>
internal sealed class Rollout : SagaStateMachineInstance
{
    /// <summary>The rollout's id.</summary>
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = RolloutStates.Planned;

    public string Tenant { get; set; } = "";

    /// <summary>The configuration, or the credential, that is rolled out; see <see cref="Items"/>.</summary>
    public string Item { get; set; } = "";

    /// <summary>Its revision, or its version.</summary>
    public int Revision { get; set; }

    /// <summary>Name of the configuration, if it is one.</summary>
    public string? Configuration => Items.Configuration(Item);

    /// <summary>Its revision.</summary>
    public int? ConfigurationRevision => Configuration is null ? null : Revision;

    /// <summary>Name of the credential, if it is one.</summary>
    public string? Credential => Items.Credential(Item);

    /// <summary>Its version.</summary>
    public int? CredentialVersion => Credential is null ? null : Revision;

    /// <summary>Number of the wave under way, from 0.</summary>
    public int Wave { get; set; }

    public int Waves { get; set; }

    public string Strategy { get; set; } = "";

    /// <summary>Most targets dispatched at a time; null for no cap.</summary>
    public int? MaxConcurrency { get; set; }

    /// <summary>Failed, rejected and timed out targets that the rollout bears; one more ends it.</summary>
    public int MaxFailures { get; set; }

    /// <summary>Time that a target has from its dispatch to its report.</summary>
    public TimeSpan ProgressDeadline { get; set; }

    public string RequestedBy { get; set; } = "";

    public DateTimeOffset CreatedAt { get; set; }

    public DateTimeOffset? StartedAt { get; set; }

    public DateTimeOffset? EndedAt { get; set; }

    /// <summary>When the rollout wants to be woken; claimed by the timer of one Director.</summary>
    public DateTimeOffset? NextDueAt { get; set; }

    /// <summary>The rollout that this one rolls back, if it is a rollback.</summary>
    public Guid? RollbackOf { get; set; }

    /// <summary>The rollback that takes this one back, once there is one.</summary>
    public Guid? RolledBackBy { get; set; }

    /// <summary>When its saga last handled a message; the drift job looks after those that went quiet.</summary>
    public DateTimeOffset TouchedAt { get; set; }

    /// <summary>The final state that <see cref="RolloutStates.Aborting"/> leads to.</summary>
    public string? EndsAs { get; set; }

    /// <summary>Why it is in this state, for people.</summary>
    public string? Reason { get; set; }

    /// <summary>Number of the last entry of its timeline; counted here so that numbers follow the saga's commits.</summary>
    public int LastEvent { get; set; }
}

/// <summary>A part of the targets that is rolled out together, with the number of its targets in each state. The counters
/// change in the transaction that changes the targets.</summary>
internal sealed class RolloutWave
{
    public Guid RolloutId { get; init; }

    public int Wave { get; init; }

    public DateTimeOffset? StartedAt { get; set; }

    public DateTimeOffset? CompletedAt { get; set; }

    public int Waiting { get; set; }

    public int Dispatched { get; set; }

    public int Applied { get; set; }

    public int Failed { get; set; }

    public int Rejected { get; set; }

    public int TimedOut { get; set; }

    public int Deferred { get; set; }

    public int Skipped { get; set; }

    public int Removed { get; set; }

    public int Cancelled { get; set; }

    public int Superseded { get; set; }
}

/// <summary>State of a target. Stored by name.</summary>
internal enum TargetState
{
    Waiting = 0,
    Dispatched = 1,
    Applied = 2,
    Failed = 3,
    Rejected = 4,
    TimedOut = 5,
    Deferred = 6,
    Skipped = 7,
    Removed = 8,
    Cancelled = 9,
    Superseded = 10,
}

/// <summary>One runtime that a rollout is meant for.</summary>
internal sealed class RolloutTarget
{
    public Guid RolloutId { get; init; }

    public required string RuntimeId { get; init; }

    public int Wave { get; init; }

    public TargetState State { get; set; }

    /// <summary>Generation that a report must have reached to speak of this target; 0 while nothing was sent.</summary>
    public long Generation { get; set; }

    /// <summary>Digest that it should show; null if it is to lose the configuration.</summary>
    public string? Digest { get; set; }

    /// <summary>How often it was tried; what the Agent could not open does not count, so whether anything was sent is told by
    /// <see cref="DispatchedAt"/>.</summary>
    public int Attempts { get; set; }

    /// <summary>The revision that the runtime had last reported as applied when this target was first dispatched: what giving
    /// back returns to where the runtime lost the configuration by this rollout.</summary>
    public int? FormerRevision { get; set; }

    /// <summary>Whether its content was given back: done once, and from then on no report makes it applied.</summary>
    public bool GivenBack { get; set; }

    /// <summary>Stable code: why it is deferred, failed or rejected.</summary>
    public string? Reason { get; set; }

    /// <summary>The same in a sentence.</summary>
    public string? Error { get; set; }

    public DateTimeOffset? DispatchedAt { get; set; }

    public DateTimeOffset? DeadlineAt { get; set; }

    public DateTimeOffset ChangedAt { get; set; }

    /// <summary>Whether it is decided: nothing more is to be done for it in this rollout.</summary>
    public bool IsDone => State is not (TargetState.Waiting or TargetState.Dispatched or TargetState.Deferred);
}

/// <summary>Something that a person or service asked of a rollout; the saga writes its answer here.</summary>
internal sealed class RolloutAction
{
    public Guid ActionId { get; init; }

    public Guid RolloutId { get; init; }

    public required string Kind { get; init; }

    public required string RequestedBy { get; init; }

    public DateTimeOffset RequestedAt { get; init; }

    public DateTimeOffset? AnsweredAt { get; set; }

    /// <summary>Null until answered.</summary>
    public bool? Accepted { get; set; }

    public string? Reason { get; set; }

    /// <summary>State of the rollout when it was answered.</summary>
    public string? RolloutState { get; set; }
}

/// <summary>An entry of a rollout's timeline: one per thing that the saga did, never one per target.</summary>
internal sealed class RolloutEvent
{
    public Guid RolloutId { get; init; }

    public int Number { get; init; }

    public DateTimeOffset At { get; init; }

    public required string Kind { get; init; }

    public required string Detail { get; init; }
}
