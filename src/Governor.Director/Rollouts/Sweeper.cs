using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <summary><i>Sweep</i>: whoever is assigned an older revision than the stable one is assigned that if it matches, and
/// loses the configuration if not. Serves runtimes that were away during the rollout, and those that it never saw.</summary>
internal sealed class Sweeper(DirectorDbContext db, Assigner assigner, RevisionContents revisions)
{
    /// <summary>Runtimes that one query looks at.</summary>
    private const int PageSize = 2000;

    /// <summary>Sweeps one chunk, in the caller's transaction.</summary>
    /// <param name="tenant">Owner of the configuration.</param>
    /// <param name="configuration">Name of the configuration.</param>
    /// <param name="after">Where the former chunk ended; null for the first.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>Where this chunk ended, or null if it was the last.</returns>
    public async Task<string?> SweepChunkAsync(
        string tenant, string configuration, string? after, CancellationToken cancellationToken)
    {
        var stable = await StableAsync(tenant, configuration, cancellationToken);
        if (stable == 0)
            return null;

        var revision = await revisions.GetAsync(db, new RevisionKey(tenant, configuration, stable), cancellationToken);
        var (chunk, last) = await CandidatesAsync(tenant, revision, after, cancellationToken);
        if (chunk.Count == 0)
            return last;

        await db.LockTargetsAsync(chunk, cancellationToken);
        var fleet = await assigner.LockAsync(chunk, cancellationToken);

        // Dispatch commits under the locks of these runtimes. If a newer rollout has begun, what it took from them must not
        // come back; its own end sweeps.
        if (await StableAsync(tenant, configuration, cancellationToken) != stable
            || await db.Rollouts.AnyAsync(
                r => r.Tenant == tenant && r.Configuration == configuration && r.EndedAt == null
                    && r.CurrentState != RolloutStates.Planned,
                cancellationToken))
        {
            return null;
        }

        var rejections = await db.RejectionsOfAsync(chunk, cancellationToken);
        var budget = new SendBudget();
        var sent = new List<FleetMember>();
        var renumbered = new List<FleetMember>();
        foreach (var member in fleet.Members.Values.OrderBy(m => m.Runtime.RuntimeId, StringComparer.Ordinal))
        {
            var runtime = member.Runtime;
            var assigned = member.Assignments.GetValueOrDefault(configuration);
            var wanted = member.Matches(revision) ? revision : null;
            if (runtime.State == RuntimeState.Deregistering || assigned?.Revision >= stable || (wanted is null && assigned is null)
                || (wanted is not null && rejections.Has(member, wanted)))
            {
                continue;
            }

            if (wanted is not null && assigned?.Digest == wanted.Digest && member.StaysEffective(configuration, wanted))
            {
                renumbered.Add(member);
                continue;
            }

            member.Assign(configuration, wanted);
            if (!budget.Takes(member))
                break;
            sent.Add(member);
        }

        await assigner.RenumberAsync(renumbered, revision, cancellationToken);
        await assigner.SendAsync(sent, new SendCause(null, configuration, stable), cancellationToken);
        return budget.IsSpent ? sent[^1].Runtime.RuntimeId : last;
    }

    /// <summary>Sweeps every configuration that has no open rollout, each chunk in a transaction of its own.</summary>
    public async Task SweepAllAsync(Func<Func<Task>, Task> inTransaction, CancellationToken cancellationToken)
    {
        var behind = await db.Configurations.AsNoTracking()
            .Where(c => c.StableRevision > 0
                && !db.Rollouts.Any(r => r.Tenant == c.Tenant && r.Configuration == c.Name && r.EndedAt == null))
            .OrderBy(c => c.Tenant).ThenBy(c => c.Name)
            .Select(c => new { c.Tenant, c.Name }).ToListAsync(cancellationToken);
        foreach (var configuration in behind)
        {
            string? after = null;
            do
            {
                await inTransaction(async () =>
                    after = await SweepChunkAsync(configuration.Tenant, configuration.Name, after, cancellationToken));
            }
            while (after is not null);
        }
    }

    private Task<int> StableAsync(string tenant, string configuration, CancellationToken cancellationToken) =>
        db.Configurations.AsNoTracking()
            .Where(c => c.Tenant == tenant && c.Name == configuration)
            .Select(c => c.StableRevision).SingleOrDefaultAsync(cancellationToken);

    /// <summary>Runtimes that are assigned an older revision, or none although they match; but not what they rejected.</summary>
    /// <returns>At most one chunk of them, and where to go on; null if the fleet ends here.</returns>
    private async Task<(List<string> Chunk, string? Last)> CandidatesAsync(
        string tenant, RevisionContent revision, string? after, CancellationToken cancellationToken)
    {
        var chunk = new List<string>();
        while (true)
        {
            var start = after;
            var page = await (
                    from r in db.Runtimes.AsNoTracking()
                    where r.Tenant == tenant && r.State != RuntimeState.Deregistering
                        && (start == null || string.Compare(r.RuntimeId, start) > 0)
                    from a in db.Assignments.Where(a => a.RuntimeId == r.RuntimeId && a.Configuration == revision.Configuration)
                        .DefaultIfEmpty()
                    where a == null || a.Revision < revision.Revision
                    orderby r.RuntimeId
                    select new
                    {
                        r.RuntimeId, r.Kind, r.Labels, Assigned = a != null,
                        Rejected = db.Rejections.Any(j => j.RuntimeId == r.RuntimeId && j.Digest == revision.Digest),
                    })
                .Take(PageSize).ToListAsync(cancellationToken);
            foreach (var runtime in page)
            {
                after = runtime.RuntimeId;
                var matches = revision.Matches(runtime.RuntimeId, runtime.Kind, runtime.Labels);
                if (matches ? !runtime.Rejected : runtime.Assigned)
                    chunk.Add(runtime.RuntimeId);
                if (chunk.Count == Assigner.Chunk)
                    return (chunk, after);
            }

            if (page.Count < PageSize)
                return (chunk, null);
        }
    }
}
