using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <summary>Sends a rollout's revision to the targets that wait for it, a chunk at a time.</summary>
internal sealed class Dispatcher(DirectorDbContext db, Assigner assigner, RevisionContents revisions)
{
    /// <summary>Dispatches one chunk of what waits in the waves so far, within the cap on concurrency.</summary>
    /// <param name="rollout">The rollout, locked, and its waves too.</param>
    /// <param name="waves">Its waves as they stand.</param>
    /// <param name="now">The present.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>Whether there may be more to dispatch at once.</returns>
    public async Task<bool> DispatchAsync(
        Rollout rollout, IReadOnlyList<RolloutWave> waves, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var free = (rollout.MaxConcurrency ?? int.MaxValue) - waves.Sum(w => w.Dispatched);
        var room = Math.Min(Assigner.Chunk, free);
        if (room <= 0 || waves.Where(w => w.Wave <= rollout.Wave).Sum(w => w.Waiting) == 0)
            return false;

        var targets = await db.Targets
            .FromSqlRaw(
                $"""
                 SELECT * FROM rollout_targets
                 WHERE rollout_id = @rollout AND state = 'Waiting' AND wave <= @wave
                 ORDER BY rollout_id, runtime_id LIMIT {room}{db.ForUpdate()}
                 """,
                db.Parameter("rollout", rollout.CorrelationId), db.Parameter("wave", rollout.Wave))
            .AsNoTracking().ToListAsync(cancellationToken);
        var ids = targets.Select(t => t.RuntimeId).ToList();
        var fleet = await assigner.LockAsync(ids, cancellationToken);
        var reports = await db.ReportItems.AsNoTracking()
            .Where(i => ids.Contains(i.RuntimeId) && i.Item == rollout.Item)
            .ToDictionaryAsync(i => i.RuntimeId, StringComparer.Ordinal, cancellationToken);
        var revision = await revisions.GetAsync(
            db, new RevisionKey(rollout.Tenant, rollout.Item, rollout.Revision), cancellationToken);

        var changes = new TargetChanges(db, now);
        var budget = new SendBudget();
        var sent = new List<FleetMember>();
        var renumbered = new List<FleetMember>();
        foreach (var target in targets)
        {
            var member = fleet.Find(target.RuntimeId);
            switch (Decide(target, member, revision, reports.GetValueOrDefault(target.RuntimeId)))
            {
                case Decision.Remove:
                    changes.Move(target, TargetState.Removed);
                    break;
                case Decision.Skip:
                    (target.Generation, target.Digest) = (member!.Assignments[rollout.Item].Generation, revision.Digest);
                    renumbered.Add(member);
                    changes.Move(target, TargetState.Skipped);
                    break;
                case Decision.Defer:
                    changes.Move(target, TargetState.Deferred, member!.WhyNotSentWith(rollout.Item, Wanted(member, revision)));
                    break;
                default:
                    var wanted = Wanted(member!, revision);
                    member!.Assign(rollout.Item, wanted);
                    if (!budget.Takes(member))
                        break;
                    sent.Add(member);
                    if (target.DispatchedAt is null)
                        target.FormerRevision = member.Assignments.GetValueOrDefault(rollout.Item)?.Good;
                    target.Generation = member.Runtime.Generation + 1;
                    target.Digest = wanted?.Digest;
                    target.Attempts++;
                    (target.DispatchedAt, target.DeadlineAt) = (now, now + rollout.ProgressDeadline);
                    changes.Move(target, TargetState.Dispatched);
                    break;
            }
        }

        await assigner.RenumberAsync(renumbered, revision, cancellationToken);
        await assigner.SendAsync(
            sent, new SendCause(rollout.CorrelationId, rollout.Item, rollout.Revision), cancellationToken);
        await changes.SaveAsync(cancellationToken);
        return budget.IsSpent || (targets.Count == room && sent.Count < free);
    }

    private static RevisionContent? Wanted(FleetMember member, RevisionContent revision) =>
        member.Matches(revision) ? revision : null;

    private static Decision Decide(RolloutTarget target, FleetMember? member, RevisionContent revision, ReportItem? report)
    {
        if (member is null || member.Runtime.State == RuntimeState.Deregistering)
            return Decision.Remove;

        var assigned = member.Assignments.GetValueOrDefault(revision.Item);
        var wanted = Wanted(member, revision);

        // One that was dispatched its loss and has not shown it yet still has something to lose; not so of a credential, which
        // goes with the last component that refers to it.
        if (wanted is null && assigned is null && (target.DispatchedAt is null || revision.IsCredential))
            return Decision.Remove;

        if (wanted is not null && assigned is not null && assigned.Digest == wanted.Digest
            && member.Runtime.ReportedGeneration >= assigned.Generation && ReportItem.Shows(report, wanted.Digest)
            && member.StaysEffective(revision.Item, wanted))
        {
            return Decision.Skip;
        }

        return member.WhyNotSentWith(revision.Item, wanted) is null ? Decision.Send : Decision.Defer;
    }

    private enum Decision
    {
        Send = 0,
        Skip = 1,
        Defer = 2,
        Remove = 3,
    }
}
