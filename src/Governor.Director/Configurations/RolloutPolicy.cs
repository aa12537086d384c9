namespace Governor.Director.Configurations;

/// <summary>How a change is rolled out. It is no part of the content.</summary>
/// <param name="Strategy">The strategy: <see cref="AllAtOnce"/>, the only one there is.</param>
/// <param name="MaxConcurrency">Most targets that are dispatched and not yet done at any time, 1 and up; null: no cap.</param>
/// <param name="MaxFailures">Targets that may fail before the rollout ends as <c>Failed</c>, 0 and up.</param>
/// <param name="ProgressDeadline">Time that a target has from its dispatch, above zero and at most 7 days.</param>
/// <param name="Overlap">Of a rotation: how long the version that it replaces stays valid at least, zero and at most 30 days.</param>
internal sealed record RolloutPolicy(
    string Strategy, int? MaxConcurrency, int MaxFailures, TimeSpan ProgressDeadline, TimeSpan Overlap)
{
    /// <summary>The strategy that dispatches every target at once, within <see cref="MaxConcurrency"/>.</summary>
    public const string AllAtOnce = "allAtOnce";

    /// <summary>The policy of a request that gives none: all at once, no cap, no failure tolerated, 10 minutes.</summary>
    public static RolloutPolicy Default { get; } = new(AllAtOnce, MaxConcurrency: null, MaxFailures: 0, TimeSpan.FromMinutes(10), Overlap: TimeSpan.FromMinutes(10));
}
