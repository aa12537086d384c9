namespace Governor.Director.Rollouts;

/// <summary>A rollout as it is listed.</summary>
/// <param name="Wave">Number of the wave under way, from 0.</param>
/// <param name="Counts">Number of targets per target state; states without targets are left out.</param>
internal sealed record RolloutSummary(
    string RolloutId, string? Configuration, int? Revision, string? Credential, int? Version, string State, int Wave, int Waves,
    IReadOnlyDictionary<string, int> Counts, string? Reason, DateTimeOffset CreatedAt, DateTimeOffset? EndedAt)
{
    public static RolloutSummary Of(Rollout r, IEnumerable<RolloutWave> waves) => new(
        r.CorrelationId.ToString(), r.Configuration, r.ConfigurationRevision, r.Credential, r.CredentialVersion, r.CurrentState, r.Wave, r.Waves, waves.Counts(), r.Reason,
        r.CreatedAt, r.EndedAt);
}

/// <summary>A rollout in detail: the saga's state, its waves and its timeline.</summary>
/// <param name="RollbackOf">The rollout that this one rolls back, if it is a rollback.</param>
/// <param name="RolledBackBy">The rollback that takes this one back, if there is one.</param>
/// <param name="Deadlines">What it waits for, and until when.</param>
internal sealed record RolloutDetail(
    string RolloutId, string? Configuration, int? Revision, string? Credential, int? Version, string State, int Wave,
    IReadOnlyDictionary<string, int> Counts, string? Reason, string? RollbackOf, string? RolledBackBy, string RequestedBy,
    DateTimeOffset CreatedAt, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt, PolicyView Policy, DeadlineView Deadlines,
    IReadOnlyList<WaveView> Waves, IReadOnlyList<TimelineEntry> Timeline)
{
    public static RolloutDetail Of(Rollout r, IReadOnlyList<RolloutWave> waves, IReadOnlyList<TimelineEntry> timeline) => new(
        r.CorrelationId.ToString(), r.Configuration, r.ConfigurationRevision, r.Credential, r.CredentialVersion, r.CurrentState, r.Wave, waves.Counts(), r.Reason,
        r.RollbackOf?.ToString(), r.RolledBackBy?.ToString(), r.RequestedBy, r.CreatedAt, r.StartedAt, r.EndedAt,
        new PolicyView(r.Strategy, r.MaxConcurrency, r.MaxFailures, r.ProgressDeadline), new DeadlineView(r.NextDueAt),
        [.. waves.Select(w => new WaveView(w.Wave, new[] { w }.Counts(), w.StartedAt, w.CompletedAt))], timeline);
}

/// <summary>The policy under which a rollout goes.</summary>
internal sealed record PolicyView(string Strategy, int? MaxConcurrency, int MaxFailures, TimeSpan ProgressDeadline);

/// <summary>When the rollout next looks at deadlines; absent when it waits for none.</summary>
internal sealed record DeadlineView(DateTimeOffset? Next);

/// <summary>A wave.</summary>
internal sealed record WaveView(
    int Wave, IReadOnlyDictionary<string, int> Counts, DateTimeOffset? StartedAt, DateTimeOffset? CompletedAt);

/// <summary>An entry of the timeline.</summary>
internal sealed record TimelineEntry(int Number, DateTimeOffset At, string Kind, string Detail);

/// <summary>A target as it is listed.</summary>
internal sealed record TargetView(
    string RuntimeId, int Wave, string State, int Attempts, string? Reason, string? Error, long Generation,
    DateTimeOffset? DispatchedAt, DateTimeOffset? DeadlineAt, DateTimeOffset ChangedAt)
{
    public static TargetView Of(RolloutTarget t) => new(
        t.RuntimeId, t.Wave, t.State.ToString(), t.Attempts, t.Reason, t.Error, t.Generation, t.DispatchedAt,
        t.State == TargetState.Dispatched ? t.DeadlineAt : null, t.ChangedAt);
}

/// <summary>An action and its answer.</summary>
/// <param name="Outcome"><c>pending</c>, <c>accepted</c> or <c>refused</c>.</param>
/// <param name="State">State of the rollout when it was answered.</param>
internal sealed record ActionView(
    string ActionId, string RolloutId, string Action, string Outcome, string? State, string? Reason, string RequestedBy,
    DateTimeOffset RequestedAt, DateTimeOffset? AnsweredAt)
{
    public static ActionView Of(RolloutAction a) => new(
        a.ActionId.ToString(), a.RolloutId.ToString(), a.Kind,
        a.Accepted switch { null => "pending", true => "accepted", false => "refused" },
        a.RolloutState, a.Reason, a.RequestedBy, a.RequestedAt, a.AnsweredAt);
}
