using Governor.Contracts;
using Governor.Director.Credentials;
using Governor.Director.Persistence;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <summary>What the rollout saga does in each step, in the transaction of the message that woke it. Each step reads the
/// tables, which are the truth, and returns the state that the rollout is in afterwards.</summary>
/// <remarks>A step costs a bounded number of statements, whatever the number of targets: work on targets is done in chunks,
/// and more of it follows with <see cref="DispatchNext"/>.</remarks>
internal sealed partial class RolloutEngine(
    DirectorDbContext db, Dispatcher dispatcher, Sweeper sweeper, GivingBack givingBack, RolloutPlanner planner,
    VersionStages versions, IPublishEndpoint bus, TimeProvider clock, ILogger<RolloutEngine> logger)
{
    /// <summary>Leaves the plan: supersedes what is open of the same configuration, and begins to dispatch.</summary>
    public async Task<string> StartAsync(Rollout rollout, CancellationToken cancellationToken)
    {
        var now = Touch(rollout);
        var older = await db.Rollouts
            .FromSqlRaw(
                $"""
                 SELECT * FROM rollouts
                 WHERE tenant = @tenant AND item = @item AND revision < @revision AND ended_at IS NULL
                   AND rollout_id <> @rollbackOf
                 ORDER BY rollout_id DESC{db.ForUpdate()}
                 """,
                db.Parameter("tenant", rollout.Tenant), db.Parameter("item", rollout.Item),
                db.Parameter("revision", rollout.Revision), db.Parameter("rollbackOf", rollout.RollbackOf ?? Guid.Empty))
            .ToListAsync(cancellationToken);
        var waves = await db.LockWavesAsync([rollout.CorrelationId, .. older.Select(o => o.CorrelationId)], cancellationToken);
        foreach (var former in older)
        {
            await CloseTargetsAsync(former, TargetState.Superseded,
                [TargetState.Waiting, TargetState.Dispatched, TargetState.Deferred], now, cancellationToken);
            former.Reason = $"Superseded by revision {rollout.Revision} ({rollout.CorrelationId}).";
            former.CurrentState = await EndAsync(former, RolloutStates.Superseded,
                await CountsAsync(former, cancellationToken), now, cancellationToken);
        }

        rollout.StartedAt = now;
        var counts = waves.Where(w => w.RolloutId == rollout.CorrelationId).ToList().Counts();
        Record(rollout, now, "Started", $"{counts.Values.Sum()} targets in {rollout.Waves} wave(s)");
        await db.Waves.Where(w => w.RolloutId == rollout.CorrelationId && w.Wave == 0)
            .ExecuteUpdateAsync(set => set.SetProperty(w => w.StartedAt, now), cancellationToken);
        await bus.Publish(
            new RolloutStarted(rollout.CorrelationId.ToString(), rollout.Tenant, rollout.Configuration, rollout.ConfigurationRevision,
                counts.Values.Sum(), now, rollout.Credential, rollout.CredentialVersion),
            cancellationToken);
        return await ProgressAsync(rollout, now, cancellationToken);
    }

    /// <summary>Goes on from wherever the tables stand: deadlines, failure budget, dispatch, next wave, end.</summary>
    public async Task<string> AdvanceAsync(Rollout rollout, CancellationToken cancellationToken)
    {
        var now = Touch(rollout);
        await db.LockWavesAsync([rollout.CorrelationId], cancellationToken);
        return await ProgressAsync(rollout, now, cancellationToken);
    }

    /// <summary>Stops: nothing more is dispatched, and the rollout ends when nothing is on its way any more.</summary>
    public async Task<string> WindDownAsync(Rollout rollout, CancellationToken cancellationToken)
    {
        var now = Touch(rollout);
        await db.LockWavesAsync([rollout.CorrelationId], cancellationToken);
        var more = await DeadlinesAsync(rollout, now, cancellationToken);
        more |= await RemoveUnusedAsync(rollout, now, cancellationToken);
        if (more)
            await bus.Publish(new DispatchNext(rollout.CorrelationId), cancellationToken);
        return await WindDownAsync(rollout, now, cancellationToken);
    }

    /// <summary>Answers an action in its row, and carries it out.</summary>
    public async Task<string> ActAsync(Rollout rollout, Guid actionId, CancellationToken cancellationToken)
    {
        var now = Touch(rollout);
        var action = await db.Actions.SingleOrDefaultAsync(a => a.ActionId == actionId, cancellationToken);
        if (action is null or { AnsweredAt: not null })
            return rollout.CurrentState;

        action.AnsweredAt = now;
        action.Reason = await WhyNotAsync(rollout, action.Kind, cancellationToken);
        action.Accepted = action.Reason is null;
        if (action.Accepted != true)
        {
            action.RolloutState = rollout.CurrentState;
            return rollout.CurrentState;
        }

        // Saved before the rollout ends, which refuses whatever is still unanswered.
        await db.SaveChangesAsync(cancellationToken);
        action.RolloutState = action.Kind == RolloutActions.RollBack
            ? await RollBackAsync(rollout, action.RequestedBy, now, cancellationToken)
            : await AbortAsync(rollout, action.RequestedBy, now, cancellationToken);
        return action.RolloutState;
    }

    /// <summary>Why an action cannot be carried out any more, or at all; null if it can.</summary>
    private async Task<string?> WhyNotAsync(Rollout rollout, string kind, CancellationToken cancellationToken)
    {
        if (kind == RolloutActions.RollBack && rollout.RollbackOf is not null)
            return "The rollout is a rollback itself, and a rollback is not rolled back: abort it, or roll out other content.";
        if (rollout.CurrentState is not (RolloutStates.Planned or RolloutStates.Progressing)
            || kind is not (RolloutActions.Abort or RolloutActions.RollBack))
        {
            return $"The rollout is {rollout.CurrentState}: {kind} is not possible.";
        }

        // Its version was current from the beginning.
        return rollout is { Credential: not null, RollbackOf: null }
            && await db.StableAsync(rollout.Tenant, rollout.Item, cancellationToken) == rollout.Revision
            ? $"No runtime uses the credential: version {rollout.Revision} is current already, and nothing is on its way."
            : null;
    }

    /// <summary>Brings the stable revision to whoever is still assigned an older one, one chunk at a time.</summary>
    public async Task SweepAsync(Rollout rollout, string? after, CancellationToken cancellationToken)
    {
        if (await sweeper.SweepChunkAsync(rollout.Tenant, rollout.Item, after, cancellationToken) is { } last)
            await bus.Publish(new DispatchNext(rollout.CorrelationId, last), cancellationToken);
    }

    private async Task<string> AbortAsync(
        Rollout rollout, string requestedBy, DateTimeOffset now, CancellationToken cancellationToken)
    {
        rollout.EndsAs = RolloutStates.Aborted;
        rollout.Reason = $"Aborted by {requestedBy}.";
        Record(rollout, now, "AbortRequested", $"by {requestedBy}");
        await db.LockWavesAsync([rollout.CorrelationId], cancellationToken);
        return await WindDownAsync(rollout, now, cancellationToken);
    }

    private async Task<string> ProgressAsync(Rollout rollout, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var more = await DeadlinesAsync(rollout, now, cancellationToken);
        more |= await RemoveUnusedAsync(rollout, now, cancellationToken);
        more |= await givingBack.GiveBackAsync(rollout, GivingBack.Rejected, cancellationToken);
        var waves = await WavesAsync(rollout, cancellationToken);
        if (Failures(waves) > rollout.MaxFailures)
            return await TripAsync(rollout, waves, now, cancellationToken);

        more |= await dispatcher.DispatchAsync(rollout, waves, now, cancellationToken);
        waves = await WavesAsync(rollout, cancellationToken);
        while (!more && IsWaveDone(rollout, waves))
        {
            await CompleteWaveAsync(rollout, waves[rollout.Wave], now, cancellationToken);
            if (rollout.Wave + 1 == rollout.Waves)
                return await CompleteAsync(rollout, waves, now, cancellationToken);

            rollout.Wave++;
            await db.Waves.Where(w => w.RolloutId == rollout.CorrelationId && w.Wave == rollout.Wave)
                .ExecuteUpdateAsync(set => set.SetProperty(w => w.StartedAt, now), cancellationToken);
            more = await dispatcher.DispatchAsync(rollout, waves, now, cancellationToken);
            waves = await WavesAsync(rollout, cancellationToken);
        }

        if (more)
            await bus.Publish(new DispatchNext(rollout.CorrelationId), cancellationToken);
        rollout.NextDueAt = await NextDeadlineAsync(rollout, cancellationToken);
        return RolloutStates.Progressing;
    }

    private async Task<string> CompleteAsync(
        Rollout rollout, List<RolloutWave> waves, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var deferred = waves.Sum(w => w.Deferred);
        var state = Failures(waves) > 0 ? RolloutStates.CompletedWithFailures
            : deferred > 0 ? RolloutStates.CompletedWithDeferred : RolloutStates.Succeeded;
        rollout.Reason = state switch
        {
            RolloutStates.CompletedWithFailures => $"{Failures(waves)} target(s) failed, within the budget of {rollout.MaxFailures}.",
            RolloutStates.CompletedWithDeferred => $"{deferred} target(s) are away and are served when they return.",
            _ => null,
        };

        await db.Configurations
            .Where(c => c.Tenant == rollout.Tenant && c.Name == rollout.Configuration && c.StableRevision < rollout.Revision)
            .ExecuteUpdateAsync(set => set.SetProperty(c => c.StableRevision, rollout.Revision), cancellationToken);
        await EndAsync(rollout, state, waves.Counts(), now, cancellationToken);

        // The revision is stable now: the sweep serves whoever was deferred, and whoever the rollout never saw.
        await bus.Publish(new DispatchNext(rollout.CorrelationId), cancellationToken);
        return state;
    }

    private async Task<string> TripAsync(
        Rollout rollout, List<RolloutWave> waves, DateTimeOffset now, CancellationToken cancellationToken)
    {
        rollout.EndsAs = RolloutStates.Failed;
        rollout.Reason = $"{Failures(waves)} target(s) failed; the budget is {rollout.MaxFailures} (maxFailures).";
        Record(rollout, now, "BudgetExceeded", rollout.Reason);
        return await WindDownAsync(rollout, now, cancellationToken);
    }

    private async Task<string> WindDownAsync(Rollout rollout, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await CloseTargetsAsync(rollout, TargetState.Cancelled, [TargetState.Waiting, TargetState.Deferred], now, cancellationToken);
        var waves = await WavesAsync(rollout, cancellationToken);
        if (waves.Sum(w => w.Dispatched) == 0)
            return await GiveBackAndEndAsync(rollout, rollout.EndsAs!, now, cancellationToken);

        if (await givingBack.GiveBackAsync(rollout, GivingBack.Rejected, cancellationToken))
            await bus.Publish(new DispatchNext(rollout.CorrelationId), cancellationToken);
        rollout.NextDueAt = await NextDeadlineAsync(rollout, cancellationToken);
        return RolloutStates.Aborting;
    }

    /// <summary>Ends a rollout that did not succeed. It stays open until all is given back, so that a crash in between leaves
    /// something for the drift job to wake.</summary>
    private async Task<string> GiveBackAndEndAsync(
        Rollout rollout, string state, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (!await givingBack.GiveBackAsync(rollout, GivingBack.NotApplied, cancellationToken))
            return await EndAsync(rollout, state, await CountsAsync(rollout, cancellationToken), now, cancellationToken);

        await bus.Publish(new DispatchNext(rollout.CorrelationId), cancellationToken);
        return rollout.CurrentState == RolloutStates.RollingBack ? RolloutStates.RollingBack : RolloutStates.Aborting;
    }

    private async Task<string> EndAsync(
        Rollout rollout, string state, IReadOnlyDictionary<string, int> counts, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        (rollout.EndedAt, rollout.NextDueAt) = (now, null);
        var outcome = rollout.Reason ?? string.Join(", ", counts.Select(c => $"{c.Value} {c.Key}"));
        Record(rollout, now, state, outcome);
        await db.Actions
            .Where(a => a.RolloutId == rollout.CorrelationId && a.AnsweredAt == null)
            .ExecuteUpdateAsync(
                set => set.SetProperty(a => a.AnsweredAt, now).SetProperty(a => a.Accepted, false)
                    .SetProperty(a => a.RolloutState, state)
                    .SetProperty(a => a.Reason, $"The rollout ended as {state} before the action was carried out."),
                cancellationToken);
        await versions.EndRotationAsync(rollout, state, now, cancellationToken);
        await bus.Publish(
            new RolloutCompleted(rollout.CorrelationId.ToString(), rollout.Tenant, rollout.Configuration, rollout.ConfigurationRevision,
                state, rollout.Reason, counts, now, rollout.Credential, rollout.CredentialVersion),
            cancellationToken);
        if (rollout.RollbackOf is { } rolledBack)
            await bus.Publish(new TargetsProgressed(rolledBack), cancellationToken);
        LogEnded(rollout.CorrelationId, rollout.Item, rollout.Revision, state, outcome);
        return state;
    }

    private async Task CompleteWaveAsync(
        Rollout rollout, RolloutWave wave, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var counts = new[] { wave }.Counts();
        await db.Waves.Where(w => w.RolloutId == rollout.CorrelationId && w.Wave == wave.Wave)
            .ExecuteUpdateAsync(set => set.SetProperty(w => w.CompletedAt, now), cancellationToken);
        Record(rollout, now, "WaveCompleted",
            $"wave {wave.Wave}: {string.Join(", ", counts.Select(c => $"{c.Value} {c.Key}"))}");
        await bus.Publish(
            new WaveCompleted(rollout.CorrelationId.ToString(), rollout.Tenant, wave.Wave, counts, now), cancellationToken);
    }

    private static bool IsWaveDone(Rollout rollout, List<RolloutWave> waves) =>
        waves.Where(w => w.Wave <= rollout.Wave).All(w => w.Waiting == 0 && w.Dispatched == 0);

    private static int Failures(List<RolloutWave> waves) => waves.Sum(w => w.Failed + w.Rejected + w.TimedOut);

    private DateTimeOffset Touch(Rollout rollout) => rollout.TouchedAt = clock.GetUtcNow();

    private void Record(Rollout rollout, DateTimeOffset now, string kind, string detail) => db.Events.Add(new RolloutEvent
    {
        RolloutId = rollout.CorrelationId, Number = ++rollout.LastEvent, At = now, Kind = kind, Detail = detail,
    });

    [LoggerMessage(2101, LogLevel.Information,
        "Rollout {RolloutId} of {Item}, {Revision}, ended as {State}: {Outcome}")]
    private partial void LogEnded(Guid rolloutId, string item, int revision, string state, string outcome);
}
