using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Configurations;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Runtimes;

/// <summary>What runtimes may join or leave, read and locked before the runtimes themselves are.</summary>
/// <param name="Stable">The stable revision of each configuration of the tenant that has one.</param>
/// <param name="Open">The open rollouts, locked, with their revisions.</param>
/// <param name="Targets">The targets that the runtimes have in them, locked.</param>
/// <param name="Rejections">What runtimes have rejected: it is not brought to them again.</param>
internal sealed record JoinPlan(
    IReadOnlyList<RevisionContent> Stable,
    IReadOnlyList<(Rollout Rollout, RevisionContent Revision)> Open,
    ILookup<string, RolloutTarget> Targets,
    Rejections Rejections);

/// <summary><i>Join and leave</i>: a runtime that begins to match is assigned the stable revision at once and is taken in
/// by open rollouts; one that ceases to match loses what it was assigned at once.</summary>
internal sealed class Joiner(
    DirectorDbContext db, Assigner assigner, RevisionContents revisions, IPublishEndpoint bus, TimeProvider clock)
{
    /// <summary>Locks what comes before the runtimes in the order of locks: rollouts, waves, targets.</summary>
    public async Task<JoinPlan> PrepareAsync(
        string tenant, IReadOnlyList<RuntimeRegistration> registrations, CancellationToken cancellationToken)
    {
        var open = await db.Rollouts
            .FromSqlRaw(
                $"SELECT * FROM rollouts WHERE tenant = @tenant AND ended_at IS NULL ORDER BY rollout_id DESC{db.ForUpdate()}",
                db.Parameter("tenant", tenant))
            .AsNoTracking().ToListAsync(cancellationToken);
        open = [.. open.Where(r => r.EndedAt is null)];
        var rolloutIds = open.Select(r => r.CorrelationId).ToList();
        await db.LockWavesAsync(rolloutIds, cancellationToken);
        var ids = registrations.Select(r => r.RuntimeId).ToList();
        var targets = await db.LockTargetsToJoinAsync(rolloutIds, ids, cancellationToken);

        // Read under the locks of the open rollouts: none of them can end, and become stable, until this commits.
        var stable = await db.Configurations.AsNoTracking()
            .Where(c => c.Tenant == tenant && c.StableRevision > 0)
            .Select(c => new { c.Name, c.StableRevision }).ToListAsync(cancellationToken);
        var rejections = await db.RejectionsOfAsync(ids, cancellationToken);
        var contents = await revisions.GetAsync(
            db,
            stable.Select(c => new RevisionKey(tenant, c.Name, c.StableRevision))
                .Concat(open.Select(r => new RevisionKey(tenant, r.Item, r.Revision))).Distinct(),
            cancellationToken);
        return new JoinPlan(
            [.. stable.Select(c => contents[new RevisionKey(tenant, c.Name, c.StableRevision)])],
            [.. open.Select(r => (r, contents[new RevisionKey(tenant, r.Item, r.Revision)]))],
            targets.ToLookup(t => t.RuntimeId, StringComparer.Ordinal),
            rejections);
    }

    /// <summary>Assigns and sends what follows from the new labels. A new runtime is sent the whole even if it is empty: what
    /// a former life left there goes.</summary>
    /// <returns>A refusal if a runtime would hold too much; nothing is written then.</returns>
    public async Task<Refusal?> JoinAsync(
        JoinPlan plan, FleetSlice fleet, IReadOnlySet<string> created, IReadOnlyList<RuntimeRegistration> relabelled,
        CancellationToken cancellationToken)
    {
        var changes = new TargetChanges(db, clock.GetUtcNow());
        var concerned = new List<FleetMember>();
        foreach (var runtimeId in created)
        {
            if (fleet.Find(runtimeId) is { } member)
            {
                Decide(plan, member, former: null, changes);
                concerned.Add(member);
            }
        }

        foreach (var registration in relabelled)
        {
            var member = fleet.Find(registration.RuntimeId)!;
            var former = member.Runtime.Labels;
            member.Runtime.Labels = registration.Labels;
            Decide(plan, member, former, changes);
            if (member.Changes.Count > 0)
                concerned.Add(member);
        }

        if (concerned.Find(m => m.ContentSize() > ConfigurationHandler.MaxRuntimeContent && m.ContentSize() > m.FormerContentSize()) is { } full)
        {
            return new Refusal(StatusCodes.Status422UnprocessableEntity, "runtime-content-too-large",
                $"With these labels, runtime '{full.Runtime.RuntimeId}' would hold {full.ContentSize()} bytes of content; the limit is {ConfigurationHandler.MaxRuntimeContent}. Make configurations that match it smaller, or choose other labels.");
        }

        var progressed = changes.Rollouts;
        await changes.SaveAsync(cancellationToken);
        await assigner.SendAsync(concerned, new SendCause(), cancellationToken);
        foreach (var rolloutId in progressed)
            await bus.Publish(new TargetsProgressed(rolloutId), cancellationToken);
        return null;
    }

    /// <param name="plan">What there is to join.</param>
    /// <param name="member">The runtime, with its new labels.</param>
    /// <param name="former">Its former labels; null for a new runtime, which matched nothing.</param>
    /// <param name="changes">Takes the changes of targets.</param>
    private static void Decide(
        JoinPlan plan, FleetMember member, IReadOnlyDictionary<string, string>? former, TargetChanges changes)
    {
        var runtime = member.Runtime;
        bool Matched(RevisionContent revision) => former is not null && revision.Matches(runtime.RuntimeId, runtime.Kind, former);

        var stable = plan.Stable.ToDictionary(r => r.Item, StringComparer.Ordinal);
        foreach (var configuration in stable.Keys.Union(member.Assignments.Keys.Where(i => !Items.IsCredential(i))).ToList())
        {
            var begins = stable.TryGetValue(configuration, out var candidate) && member.Matches(candidate) && !Matched(candidate)
                && !plan.Rejections.Has(member, candidate);
            if (member.AssignedRevision(configuration) is { } assigned)
            {
                if (!member.Matches(assigned) && Matched(assigned))
                    member.Assign(configuration, begins ? candidate : null);
            }
            else if (begins)
            {
                member.Assign(configuration, candidate);
            }
        }

        // A rotation takes nobody in: who begins to use the credential is given the current version, and swept when that changes.
        foreach (var (rollout, revision) in plan.Open.Where(o => !o.Revision.IsCredential))
        {
            var target = plan.Targets[runtime.RuntimeId].FirstOrDefault(t => t.RolloutId == rollout.CorrelationId);
            if (member.Matches(revision) && !Matched(revision) && target is null or { State: TargetState.Removed }
                && rollout.CurrentState is not (RolloutStates.Aborting or RolloutStates.RollingBack))
            {
                changes.Add(
                    new RolloutTarget { RolloutId = rollout.CorrelationId, RuntimeId = runtime.RuntimeId, Wave = target?.Wave ?? rollout.Waves - 1 },
                    target?.State);
            }
            else if (target is { IsDone: false } && !member.Matches(revision) && Matched(revision)
                && !WillHold(member, rollout.Item))
            {
                changes.Move(target, TargetState.Removed, "left-selector");
            }
        }
    }

    private static bool WillHold(FleetMember member, string configuration) =>
        member.Changes.TryGetValue(configuration, out var change) ? change is not null : member.Assignments.ContainsKey(configuration);
}
