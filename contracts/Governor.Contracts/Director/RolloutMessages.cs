using MassTransit;

namespace Governor.Contracts;

/// <summary>A rollout was accepted: its saga is woken. Within the Director.</summary>
/// <param name="RolloutId">The rollout.</param>
[EntityName("governor.rollout-planned")]
[MessageUrn("governor:rollout-planned")]
public sealed record RolloutPlanned(Guid RolloutId);

/// <summary>A rollout has more targets to send to than one chunk took, or a final one more runtimes to sweep. Within the
/// Director.</summary>
/// <param name="RolloutId">The rollout.</param>
/// <param name="After">The runtime at which the former chunk of the sweep ended; absent for the first.</param>
[EntityName("governor.dispatch-next")]
[MessageUrn("governor:dispatch-next")]
public sealed record DispatchNext(Guid RolloutId, string? After = null);

/// <summary>Something changed in a rollout's targets: reports came, a runtime joined or left. Within the Director.</summary>
/// <remarks>A hint without content: the tables are the truth, so it may be lost, repeated or late.</remarks>
/// <param name="RolloutId">The rollout.</param>
[EntityName("governor.targets-progressed")]
[MessageUrn("governor:targets-progressed")]
public sealed record TargetsProgressed(Guid RolloutId);

/// <summary>A moment that a rollout waits for has come. Within the Director.</summary>
/// <param name="RolloutId">The rollout.</param>
[EntityName("governor.rollout-due")]
[MessageUrn("governor:rollout-due")]
public sealed record RolloutDue(Guid RolloutId);

/// <summary>Somebody asked for an action on a rollout; what and who stands in the action's row. Within the Director.</summary>
/// <param name="RolloutId">The rollout.</param>
/// <param name="ActionId">The action's row, in which the saga writes its answer.</param>
[EntityName("governor.rollout-action-requested")]
[MessageUrn("governor:rollout-action-requested")]
public sealed record RolloutActionRequested(Guid RolloutId, Guid ActionId);
