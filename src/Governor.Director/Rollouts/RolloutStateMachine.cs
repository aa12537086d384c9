using Governor.Contracts;
using MassTransit;

namespace Governor.Director.Rollouts;

/// <summary>The rollout saga. Its messages are hints: each step looks at the tables, so it does not matter which hint comes,
/// how often, or in which order.</summary>
internal sealed class RolloutStateMachine : MassTransitStateMachine<Rollout>
{
    public RolloutStateMachine()
    {
        InstanceState(rollout => rollout.CurrentState);

        // A hint may outlive its rollout: a restored database does not know it.
        Event(() => RolloutPlanned, its => { its.CorrelateById(m => m.Message.RolloutId); its.OnMissingInstance(m => m.Discard()); });
        Event(() => DispatchNext, its => { its.CorrelateById(m => m.Message.RolloutId); its.OnMissingInstance(m => m.Discard()); });
        Event(() => TargetsProgressed, its => { its.CorrelateById(m => m.Message.RolloutId); its.OnMissingInstance(m => m.Discard()); });
        Event(() => RolloutDue, its => { its.CorrelateById(m => m.Message.RolloutId); its.OnMissingInstance(m => m.Discard()); });
        Event(() => ActionRequested, its => { its.CorrelateById(m => m.Message.RolloutId); its.OnMissingInstance(m => m.Discard()); });

        // The row is written in this state by whoever accepts the change, with the message that wakes the saga. Another
        // hint may overtake that message: an action, a runtime that joins.
        During(Planned,
            When(RolloutPlanned).StartRollout(),
            When(TargetsProgressed).StartRollout(),
            When(ActionRequested).Act());

        During(Progressing,
            When(DispatchNext).Advance(),
            When(TargetsProgressed).Advance(),
            When(RolloutDue).Advance(),
            When(ActionRequested).Act());

        During(Aborting,
            When(TargetsProgressed).WindDown(),
            When(RolloutDue).WindDown(),
            When(DispatchNext).WindDown(),
            When(ActionRequested).Act());

        During(RollingBack,
            When(TargetsProgressed).FollowRollback(),
            When(RolloutDue).FollowRollback(),
            When(DispatchNext).FollowRollback(),
            When(ActionRequested).Act());

        During([Succeeded, CompletedWithDeferred, CompletedWithFailures],
            When(DispatchNext).Sweep(),
            When(ActionRequested).Act());

        During([Failed, Aborted, RolledBack, Superseded],
            When(ActionRequested).Act());

        // Delivery is at least once and unordered: what comes late or twice changes nothing.
        During(Planned, Ignore(DispatchNext), Ignore(RolloutDue));
        During([Progressing, Aborting, RollingBack], Ignore(RolloutPlanned));
        During([Succeeded, CompletedWithDeferred, CompletedWithFailures],
            Ignore(RolloutPlanned), Ignore(TargetsProgressed), Ignore(RolloutDue));
        During([Failed, Aborted, RolledBack, Superseded],
            Ignore(RolloutPlanned), Ignore(TargetsProgressed), Ignore(RolloutDue), Ignore(DispatchNext));
    }

    public State Planned { get; private set; } = null!;

    public State Progressing { get; private set; } = null!;

    public State Aborting { get; private set; } = null!;

    public State RollingBack { get; private set; } = null!;

    public State Succeeded { get; private set; } = null!;

    public State CompletedWithDeferred { get; private set; } = null!;

    public State CompletedWithFailures { get; private set; } = null!;

    public State Failed { get; private set; } = null!;

    public State Aborted { get; private set; } = null!;

    public State RolledBack { get; private set; } = null!;

    public State Superseded { get; private set; } = null!;

    public Event<RolloutPlanned> RolloutPlanned { get; private set; } = null!;

    public Event<DispatchNext> DispatchNext { get; private set; } = null!;

    public Event<TargetsProgressed> TargetsProgressed { get; private set; } = null!;

    public Event<RolloutDue> RolloutDue { get; private set; } = null!;

    public Event<RolloutActionRequested> ActionRequested { get; private set; } = null!;
}

/// <summary>The saga's steps, named for what they do.</summary>
internal static class RolloutSteps
{
    public static EventActivityBinder<Rollout, T> StartRollout<T>(this EventActivityBinder<Rollout, T> step)
        where T : class => step.Run((engine, context) => engine.StartAsync(context.Saga, context.CancellationToken));

    public static EventActivityBinder<Rollout, T> Advance<T>(this EventActivityBinder<Rollout, T> step)
        where T : class => step.Run((engine, context) => engine.AdvanceAsync(context.Saga, context.CancellationToken));

    public static EventActivityBinder<Rollout, T> WindDown<T>(this EventActivityBinder<Rollout, T> step)
        where T : class => step.Run((engine, context) => engine.WindDownAsync(context.Saga, context.CancellationToken));

    public static EventActivityBinder<Rollout, T> FollowRollback<T>(this EventActivityBinder<Rollout, T> step)
        where T : class => step.Run((engine, context) => engine.FollowRollbackAsync(context.Saga, context.CancellationToken));

    public static EventActivityBinder<Rollout, RolloutActionRequested> Act(
        this EventActivityBinder<Rollout, RolloutActionRequested> step) =>
        step.Run((engine, context) => engine.ActAsync(context.Saga, context.Message.ActionId, context.CancellationToken));

    public static EventActivityBinder<Rollout, DispatchNext> Sweep(this EventActivityBinder<Rollout, DispatchNext> step) =>
        step.Run(async (engine, context) =>
        {
            await engine.SweepAsync(context.Saga, context.Message.After, context.CancellationToken);
            return context.Saga.CurrentState;
        });

    private static EventActivityBinder<Rollout, T> Run<T>(
        this EventActivityBinder<Rollout, T> step, Func<RolloutEngine, BehaviorContext<Rollout, T>, Task<string>> work)
        where T : class => step.ThenAsync(async context =>
        {
            // The scope of the message: the engine shares the database context, and so the transaction, of the saga.
            var engine = context.GetPayload<IServiceProvider>().GetRequiredService<RolloutEngine>();
            var state = await work(engine, context);
            if (state != context.Saga.CurrentState)
                await context.TransitionToState(context.StateMachine.GetState(state));
        });
}
