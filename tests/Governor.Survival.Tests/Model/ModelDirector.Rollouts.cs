using Governor.Director.Assignments;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;

namespace Governor.Survival.Tests.Model;

/// <content>The rollout saga: each step looks at the tables, so it does not matter which hint comes, how often, or in which
/// order.</content>
internal sealed partial class ModelDirector
{
    private const int Chunk = 500;

    public IReadOnlyList<Mail> RequestAction(RolloutKey rollout, string action)
    {
        actions.Add(new ActionRow(Find(rollout), action, now()));
        outbox.Add(new Hint(rollout, HintKind.Action, actions.Count - 1));
        return Sent();
    }

    public IReadOnlyList<Mail> Tick()
    {
        foreach (var rollout in Rollouts.Where(r => r.NextDueAt <= now()))
        {
            rollout.NextDueAt = null;
            outbox.Add(new Hint(rollout.Key, HintKind.Due));
        }

        return Sent();
    }

    /// <summary>Whether something is due: who asks this each second need not look in vain.</summary>
    public bool IsDue => Rollouts.Exists(r => r.NextDueAt <= now());

    public IReadOnlyList<Mail> Handle(Hint hint)
    {
        // A hint may outlive its rollout: a restored database does not know it.
        if (Rollouts.Find(r => r.Key == hint.Rollout) is not { } rollout || hint.Action >= actions.Count)
            return [];

        switch (rollout.State, hint.Kind)
        {
            case (_, HintKind.Action):
                Act(rollout, actions[hint.Action!.Value]);
                break;
            case (RolloutStates.Planned, HintKind.Planned or HintKind.Progressed):
                Start(rollout);
                break;
            case (RolloutStates.Progressing, not HintKind.Planned):
                Advance(rollout);
                break;
            case (RolloutStates.Aborting, not HintKind.Planned):
                rollout.TouchedAt = now();
                Deadlines(rollout);
                RemoveUnused(rollout);
                WindDown(rollout);
                break;
            case (RolloutStates.RollingBack, not HintKind.Planned):
                LookAtRollback(rollout);
                break;
            case (RolloutStates.Succeeded or RolloutStates.CompletedWithDeferred or RolloutStates.CompletedWithFailures, HintKind.Next):
                Sweep(rollout.Revision.Item);
                break;
        }

        return Sent();
    }

    /// <summary>Supersedes every older open rollout of the configuration, except the one that it rolls back.</summary>
    private void Start(RolloutRow rollout)
    {
        foreach (var older in Open(rollout.Key.Item)
            .Where(r => r.Key.Revision < rollout.Key.Revision && r != rollout.RollbackOf).ToList())
        {
            Close(older, TargetState.Superseded, TargetState.Waiting, TargetState.Dispatched, TargetState.Deferred);
            End(older, RolloutStates.Superseded);
        }

        rollout.State = RolloutStates.Progressing;
        Advance(rollout);
    }

    private void Close(RolloutRow rollout, TargetState to, params ReadOnlySpan<TargetState> from)
    {
        foreach (var target in rollout.Targets.Values)
        {
            if (from.Contains(target.State))
                Move(rollout, target, to);
        }
    }

    private void Advance(RolloutRow rollout)
    {
        rollout.TouchedAt = now();
        Deadlines(rollout);
        RemoveUnused(rollout);
        GiveBackRejected(rollout);
        if (rollout.Failures > rollout.Policy.MaxFailures)
        {
            rollout.EndsAs = RolloutStates.Failed;
            WindDown(rollout);
            return;
        }

        var more = Dispatch(rollout);
        if (!more && rollout[TargetState.Waiting] == 0 && rollout[TargetState.Dispatched] == 0)
        {
            if (!rollout.Revision.Item.IsCredential)
                rollout.Revision.Item.Stable = Math.Max(rollout.Revision.Item.Stable, rollout.Key.Revision);
            End(rollout, rollout.Failures > 0 ? RolloutStates.CompletedWithFailures
                : rollout[TargetState.Deferred] > 0 ? RolloutStates.CompletedWithDeferred : RolloutStates.Succeeded);
            outbox.Add(new Hint(rollout.Key, HintKind.Next));
            return;
        }

        if (more)
            outbox.Add(new Hint(rollout.Key, HintKind.Next));
        SetDue(rollout);
    }

    private static void SetDue(RolloutRow rollout) => rollout.NextDueAt = rollout.Targets.Values
        .Where(t => t.State == TargetState.Dispatched).Min(t => t.DeadlineAt);

    /// <summary>Who was silent since the dispatch is away: its target is deferred, not failed.</summary>
    private void Deadlines(RolloutRow rollout)
    {
        foreach (var target in rollout.Targets.Values.Where(t => t.State == TargetState.Dispatched && t.DeadlineAt <= now()))
        {
            Move(rollout, target, !Runtimes.TryGetValue(target.RuntimeId, out var runtime) ? TargetState.Removed
                : runtime.HeardAt is not { } heard || heard < target.DispatchedAt ? TargetState.Deferred : TargetState.TimedOut);
        }
    }

    private void GiveBackRejected(RolloutRow rollout)
    {
        foreach (var target in rollout.Targets.Values.Where(t => t.State == TargetState.Rejected && !t.GivenBack))
            GiveBack(rollout, target);
    }

    private void WindDown(RolloutRow rollout)
    {
        Close(rollout, TargetState.Cancelled, TargetState.Waiting, TargetState.Deferred);
        rollout.State = RolloutStates.Aborting;
        if (rollout[TargetState.Dispatched] == 0)
        {
            End(rollout, rollout.EndsAs!);
            return;
        }

        GiveBackRejected(rollout);
        SetDue(rollout);
    }

    /// <summary>What ends badly gives back whatever it dispatched that is not applied.</summary>
    private void End(RolloutRow rollout, string state)
    {
        (rollout.State, rollout.NextDueAt) = (state, null);
        foreach (var action in actions.Where(a => a.Rollout == rollout))
            action.Accepted ??= false;
        if (state is RolloutStates.Failed or RolloutStates.Aborted or RolloutStates.RolledBack)
        {
            foreach (var target in rollout.Targets.Values.Where(t => t is { WasDispatched: true, GivenBack: false }
                && t.State is not (TargetState.Applied or TargetState.Skipped or TargetState.Removed)))
            {
                GiveBack(rollout, target);
            }
        }

        EndRotation(rollout);
        if (rollout.RollbackOf is { } bad)
            Progress(bad);
    }

    private void Act(RolloutRow rollout, ActionRow action)
    {
        rollout.TouchedAt = now();
        if (action.Accepted is not null)
            return;

        var open = rollout.State is RolloutStates.Planned or RolloutStates.Progressing;
        action.Accepted = open && (action.Kind == RolloutActions.Abort || rollout.RollbackOf is null)
            && !(rollout is { Revision.Item.IsCredential: true, RollbackOf: null } && rollout.Revision.Item.StableRevision == rollout.Revision);
        if (action.Accepted != true)
            return;

        if (action.Kind == RolloutActions.Abort)
        {
            rollout.EndsAs = RolloutStates.Aborted;
            WindDown(rollout);
        }
        else
        {
            RollBackNow(rollout);
        }
    }

    /// <summary><i>Roll back</i>: a new revision with the content of the stable one, to whoever was sent the bad one or
    /// skipped it.</summary>
    private void RollBackNow(RolloutRow rollout)
    {
        Close(rollout, TargetState.Cancelled, TargetState.Waiting, TargetState.Deferred, TargetState.Dispatched);
        var item = rollout.Revision.Item;
        (rollout.State, rollout.NextDueAt) = (RolloutStates.RollingBack, null);
        var former = item.IsCredential ? item.StableRevision! : Add(item, item.StableRevision?.Content);
        rollout.RolledBackBy = Plan(former, rollout.Policy, rollout, rollout.Targets.Values
            .Where(t => (t.WasDispatched || t.State == TargetState.Skipped) && Runtimes.ContainsKey(t.RuntimeId)).Select(t => t.RuntimeId));
    }

    private void LookAtRollback(RolloutRow rollout)
    {
        rollout.TouchedAt = now();
        if (rollout.RolledBackBy!.IsFinal)
            End(rollout, RolloutStates.RolledBack);
    }

    /// <summary><i>Dispatch</i>: what waits is sent the revision, within the cap on concurrency.</summary>
    /// <returns>Whether there may be more to dispatch at once.</returns>
    private bool Dispatch(RolloutRow rollout)
    {
        var free = (rollout.Policy.MaxConcurrency ?? int.MaxValue) - rollout[TargetState.Dispatched];
        var room = Math.Min(Chunk, free);
        if (room <= 0)
            return false;

        var (targets, sent) = (rollout.Targets.Values.Where(t => t.State == TargetState.Waiting).Take(room).ToList(), 0);
        foreach (var target in targets)
        {
            if (DispatchOne(rollout, target, Runtimes.GetValueOrDefault(target.RuntimeId)))
                sent++;
        }

        return targets.Count == room && sent < free;
    }

    private bool DispatchOne(RolloutRow rollout, TargetRow target, RuntimeRow? runtime)
    {
        var revision = rollout.Revision;
        var assigned = runtime?.Assignments.GetValueOrDefault(rollout.Key.Item);
        var matches = runtime is not null && (revision.Matches(runtime) || !Holds(Rule.AssignLooksAtTheSelectorAgain));
        var wanted = matches && (revision.Content is not null || revision.Item.IsCredential) ? revision : null;

        // One that was dispatched its loss and has not shown it yet still has something to lose.
        if (runtime is null or { State: RuntimeState.Deregistering } || (wanted is null && assigned is null && (!target.WasDispatched || revision.Item.IsCredential)))
        {
            Move(rollout, target, TargetState.Removed);
        }
        else if (wanted is not null && assigned is not null && runtime.ReportedGeneration >= assigned.Generation
            && Shows(runtime.Report.GetValueOrDefault(rollout.Key.Item), wanted.Digest) && ChangesNothing(runtime, wanted))
        {
            (target.Generation, target.Digest) = (assigned.Generation, wanted.Digest);
            Renumber(runtime, wanted);
            Move(rollout, target, TargetState.Skipped);
        }
        else if (WhyNotSent(runtime, new Changes { [rollout.Key.Item] = wanted }) is { } reason)
        {
            Defer(rollout, target, reason);
        }
        else
        {
            if (!target.WasDispatched)
                target.Former = assigned?.Good;
            target.Attempts++;
            Assign(runtime, new Changes { [rollout.Key.Item] = wanted }, Cause.Dispatch, revision);
            (target.Generation, target.Digest) = (runtime.Generation, wanted?.Digest);
            (target.DispatchedAt, target.DeadlineAt) = (now(), now() + rollout.Policy.Deadline);
            Move(rollout, target, TargetState.Dispatched);
            return true;
        }

        return false;
    }

    private bool Shows(ReportItem? item, string? digest) =>
        Holds(Rule.AnOutcomeOutweighsTheDigest) || digest is null ? ReportItem.Shows(item, digest) : item?.Digest == digest;
}
