using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Runtimes;

/// <summary>What follows at once when runtimes can be sent to again: they were away or not ready, and now are neither.</summary>
internal sealed class Readiness(DirectorDbContext db, Assigner assigner, RevisionContents revisions, IPublishEndpoint bus)
{
    /// <summary>Makes runtimes ready whose queues have just been made, and serves them. Within the caller's transaction.</summary>
    /// <returns>The rollouts of which a target changed.</returns>
    public async Task<IReadOnlyCollection<Guid>> ServeAsync(
        IReadOnlyCollection<string> runtimeIds, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var (fleet, progressed) = await UndeferAsync(runtimeIds, now, makeReady: true, cancellationToken);
        await SendUnsentAsync(fleet.Members.Values, cancellationToken);
        return progressed;
    }

    private async Task<(FleetSlice Fleet, IReadOnlyCollection<Guid> Progressed)> UndeferAsync(
        IReadOnlyCollection<string> runtimeIds, DateTimeOffset now, bool makeReady, CancellationToken cancellationToken)
    {
        var deferred = await DeferredInOpenRolloutsAsync(runtimeIds, cancellationToken);
        var targets = deferred.Count == 0 ? [] : await LockAsync(deferred, runtimeIds, cancellationToken);
        var fleet = await assigner.LockAsync(runtimeIds, cancellationToken);
        var provisioning = fleet.Members.Values.Where(m => makeReady && m.Runtime.State == RuntimeState.Provisioning).ToList();
        var provisioned = provisioning.ConvertAll(m => m.Runtime.RuntimeId);
        if (provisioned.Count > 0)
        {
            await db.Runtimes.Where(r => provisioned.Contains(r.RuntimeId)).ExecuteUpdateAsync(
                set => set.SetProperty(r => r.State, RuntimeState.Ready).SetProperty(r => r.StateSince, now), cancellationToken);
            provisioning.ForEach(m => m.Runtime.State = RuntimeState.Ready);
        }

        var changes = new TargetChanges(db, now);
        await UndeferAsync(targets, fleet, changes, cancellationToken);
        var progressed = changes.Rollouts;
        await changes.SaveAsync(cancellationToken);
        return (fleet, progressed);
    }

    /// <summary>Serves runtimes whose key has just become known or trusted: what waited for it goes out. A transaction of its own,
    /// or part of the caller's.</summary>
    public async Task ServeKeyedAsync(IReadOnlyCollection<string> runtimeIds, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await using var transaction = await db.JoinTransactionAsync(cancellationToken);
        var (fleet, progressed) = await UndeferAsync(runtimeIds, now, makeReady: false, cancellationToken);
        // What was sent without secrets has arrived, or will; what was sealed to a key that was not trusted has not been opened.
        await SendAsync(
            fleet.Members.Values.Where(m => m.Runtime.SentGeneration < m.Runtime.Generation
                || (m.Runtime.ReportedGeneration < m.Runtime.Generation && m.Credentials().Any())),
            cancellationToken);
        foreach (var rolloutId in progressed)
            await bus.Publish(new TargetsProgressed(rolloutId), cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Lets deferred targets of open rollouts wait for their dispatch again, as far as their runtimes can be sent
    /// to; where the rollout is being aborted they are cancelled.</summary>
    /// <param name="targets">Targets, locked with their waves.</param>
    /// <param name="fleet">Their runtimes, locked.</param>
    /// <param name="changes">Takes the changes.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public async Task UndeferAsync(
        IEnumerable<RolloutTarget> targets, FleetSlice fleet, TargetChanges changes, CancellationToken cancellationToken)
    {
        var deferred = targets
            .Where(t => t.State == TargetState.Deferred && fleet.Find(t.RuntimeId) is { WhyNotSent: null }).ToList();
        if (deferred.Count == 0)
            return;

        // Read under the lock of the waves, which a rollout's end holds too.
        var ids = deferred.Select(t => t.RolloutId).Distinct().ToList();
        var open = await db.Rollouts.AsNoTracking()
            .Where(r => ids.Contains(r.CorrelationId) && r.EndedAt == null)
            .ToDictionaryAsync(r => r.CorrelationId, cancellationToken);
        var contents = await revisions.GetAsync(
            db, open.Values.Select(r => new RevisionKey(r.Tenant, r.Item, r.Revision)).Distinct(), cancellationToken);
        foreach (var target in deferred)
        {
            if (open.TryGetValue(target.RolloutId, out var rollout) && !StillLacksKey(target, fleet.Find(target.RuntimeId)!, contents, rollout))
                changes.Move(target, rollout.CurrentState == RolloutStates.Aborting ? TargetState.Cancelled : TargetState.Waiting);
        }
    }

    /// <summary>Sends the whole to whoever was assigned something while it could not be sent to. What one transaction does
    /// not take is left to the drift job.</summary>
    public Task SendUnsentAsync(IEnumerable<FleetMember> members, CancellationToken cancellationToken) =>
        SendAsync(members.Where(m => m.Runtime.SentGeneration < m.Runtime.Generation), cancellationToken);

    private Task SendAsync(IEnumerable<FleetMember> members, CancellationToken cancellationToken)
    {
        var budget = new SendBudget();
        return assigner.SendAsync(
            [.. members.Where(m => m.WhyNotSent is null).Where(budget.Takes)], new SendCause(), cancellationToken);
    }

    /// <summary>Whether the content of the rollout needs a key that the runtime still lacks, although what it is assigned now does not.</summary>
    private static bool StillLacksKey(
        RolloutTarget target, FleetMember member, IReadOnlyDictionary<RevisionKey, RevisionContent> contents, Rollout rollout)
    {
        var content = contents[new RevisionKey(rollout.Tenant, rollout.Item, rollout.Revision)];
        return target.Reason == "no-key" && member.WhyNotSentWith(rollout.Item, member.Matches(content) ? content : null) is not null;
    }

    private async Task<List<Guid>> DeferredInOpenRolloutsAsync(
        IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken) =>
        await db.Targets
            .FromSqlRaw(
                $"SELECT * FROM rollout_targets WHERE {db.In("runtime_id", "ids")} AND {RolloutMapping.StillSpokenOf}",
                db.List("ids", runtimeIds)).AsNoTracking()
            .Where(t => t.State == TargetState.Deferred)
            .Join(db.Rollouts.Where(r => r.EndedAt == null), t => t.RolloutId, r => r.CorrelationId, (t, _) => t.RolloutId)
            .Distinct().ToListAsync(cancellationToken);

    private async Task<List<RolloutTarget>> LockAsync(
        List<Guid> rolloutIds, IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken)
    {
        await db.LockWavesAsync(rolloutIds, cancellationToken);
        return await db.LockTargetsOfAsync(rolloutIds, runtimeIds, cancellationToken);
    }
}
