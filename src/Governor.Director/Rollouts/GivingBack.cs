using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <summary><i>Give back</i>: a runtime that was assigned a revision which it rejected, or whose rollout ended badly, is
/// assigned again what it last reported as applied; once per target, and only where the assignment is still the one that the
/// rollout wrote.</summary>
internal sealed class GivingBack(DirectorDbContext db, Assigner assigner, RevisionContents revisions, TimeProvider clock)
{
    /// <summary>Targets whose content is wrong for their runtimes.</summary>
    public const string Rejected = "state = 'Rejected'";

    /// <summary>Targets that were dispatched and do not hold the content.</summary>
    public const string NotApplied = "dispatched_at IS NOT NULL AND state NOT IN ('Applied', 'Skipped', 'Removed')";

    /// <summary>Gives back one chunk of a rollout's targets. The caller has locked the rollout and its waves.</summary>
    /// <param name="rollout">The rollout.</param>
    /// <param name="which">Condition on the targets: <see cref="Rejected"/> or <see cref="NotApplied"/>.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>Whether there may be more to give back at once.</returns>
    public async Task<bool> GiveBackAsync(Rollout rollout, string which, CancellationToken cancellationToken)
    {
        var targets = await db.Targets
            .FromSqlRaw(
                $"""
                 SELECT * FROM rollout_targets
                 WHERE rollout_id = @rollout AND {which} AND NOT given_back
                 ORDER BY rollout_id, runtime_id LIMIT {Assigner.Chunk}{db.ForUpdate()}
                 """,
                db.Parameter("rollout", rollout.CorrelationId))
            .AsNoTracking().ToListAsync(cancellationToken);
        if (targets.Count == 0)
            return false;

        var fleet = await assigner.LockAsync([.. targets.Select(t => t.RuntimeId)], cancellationToken);
        var choice = await ChoiceAsync(rollout.Tenant, rollout.Item, fleet,
            targets.Select(t => t.FormerRevision), cancellationToken);
        var changes = new TargetChanges(db, clock.GetUtcNow());
        var budget = new SendBudget();
        var sent = new List<FleetMember>();
        foreach (var target in targets)
        {
            if (IsStillAssigned(rollout, target, fleet.Find(target.RuntimeId)) is { } member)
            {
                if (choice.Apply(member, target.FormerRevision))
                {
                    if (!budget.Takes(member))
                        break;
                    sent.Add(member);
                }

                // No late report makes it applied any more: the runtime is on its way back.
                target.Generation = 0;
            }

            target.GivenBack = true;
            changes.Touch(target);
        }

        await assigner.SendAsync(
            sent, new SendCause(rollout.CorrelationId, rollout.Item, KeepsTargets: true), cancellationToken);
        await changes.SaveAsync(cancellationToken);
        return budget.IsSpent || targets.Count == Assigner.Chunk;
    }

    /// <summary>Gives back what runtimes have rejected outside of a rollout, within the caller's transaction.</summary>
    /// <param name="fleet">The runtimes, locked.</param>
    /// <param name="pairs">The configurations that they reject.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>Number of runtimes sent to; what does not fit is left to the next run.</returns>
    public async Task<int> GiveBackAsync(
        FleetSlice fleet, IEnumerable<RefusedPair> pairs, CancellationToken cancellationToken)
    {
        var concerned = new HashSet<FleetMember>();
        foreach (var group in pairs.GroupBy(p => (p.Tenant, p.Item)))
        {
            // Looked at again under the lock: only the assignment that was refused is given back, not a newer one, even of
            // the same content.
            var members = group
                .Where(p => fleet.Find(p.RuntimeId) is { Runtime.State: not RuntimeState.Deregistering } m
                    && m.Assignments.GetValueOrDefault(p.Item)?.Generation == p.Generation)
                .Select(p => fleet.Find(p.RuntimeId)!).ToList();
            var choice = await ChoiceAsync(group.Key.Tenant, group.Key.Item, fleet, [], cancellationToken);
            concerned.UnionWith(members.Where(m => choice.Apply(m, former: null)));
        }

        var budget = new SendBudget();
        var sent = concerned.OrderBy(m => m.Runtime.RuntimeId, StringComparer.Ordinal).TakeWhile(budget.Takes).ToList();
        await assigner.SendAsync(sent, new SendCause(KeepsTargets: true), cancellationToken);
        return sent.Count;
    }

    /// <summary>The runtime, if its assignment is still the one that the rollout wrote for the target.</summary>
    private static FleetMember? IsStillAssigned(Rollout rollout, RolloutTarget target, FleetMember? member)
    {
        if (member is null or { Runtime.State: RuntimeState.Deregistering })
            return null;

        var assigned = member.Assignments.GetValueOrDefault(rollout.Item)?.Revision;
        return assigned == (target.Digest is null ? null : rollout.Revision) ? member : null;
    }

    private async Task<Choice> ChoiceAsync(
        string tenant, string item, FleetSlice fleet, IEnumerable<int?> formers, CancellationToken cancellationToken)
    {
        var stable = await db.StableAsync(tenant, item, cancellationToken);
        var good = fleet.Members.Values.Select(m => m.Assignments.GetValueOrDefault(item)?.Good);
        var numbers = formers.Concat(good).Append(stable).OfType<int>().Where(n => n > 0).Distinct();
        var contents = await revisions.GetAsync(
            db, numbers.Select(n => new RevisionKey(tenant, item, n)), cancellationToken);
        return new Choice(
            item, stable, contents.ToDictionary(c => c.Key.Revision, c => c.Value),
            await db.RejectionsOfAsync(fleet.Members.Keys, cancellationToken));
    }

    /// <summary>Chooses what a runtime is given: what it last reported as applied, if that matches and was not rejected; else
    /// the stable revision under the same conditions; else the first again if it matches; else nothing. Of a credential it is
    /// given the current version: a former one may be about to end.</summary>
    private sealed class Choice(
        string item, int stable, Dictionary<int, RevisionContent> contents, Rejections rejections)
    {
        /// <returns>Whether something changes.</returns>
        public bool Apply(FleetMember member, int? former)
        {
            var assigned = member.Assignments.GetValueOrDefault(item);
            var good = Items.IsCredential(item) ? stable : assigned is null ? former : assigned.Good;
            var chosen = Fitting(member, good) is { } first && !rejections.Has(member, first) ? first
                : Fitting(member, stable) is { } second && !rejections.Has(member, second) ? second
                : Fitting(member, good);
            if (chosen?.Revision == assigned?.Revision)
                return false;

            member.Assign(item, chosen);
            return true;
        }

        private RevisionContent? Fitting(FleetMember member, int? revision) =>
            revision is > 0 && contents[revision.Value] is var content && member.Matches(content) ? content : null;
    }
}

/// <summary>A runtime that rejects what it is assigned.</summary>
/// <param name="Generation">Generation that brought the assignment.</param>
internal sealed record RefusedPair(string Tenant, string RuntimeId, string Item, long Generation);
