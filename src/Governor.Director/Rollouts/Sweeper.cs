using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <summary><i>Sweep</i>: whoever is assigned an older revision than the stable one is assigned that if it matches, and
/// loses the configuration if not. Serves runtimes that were away during the rollout, and those that it never saw.</summary>
internal sealed class Sweeper(DirectorDbContext db, Assigner assigner, RevisionContents revisions)
{
    /// <summary>Sweeps one chunk, in the caller's transaction.</summary>
    /// <returns>Whether there is more to sweep.</returns>
    public async Task<bool> SweepChunkAsync(string tenant, string configuration, CancellationToken cancellationToken)
    {
        var stable = await db.Configurations.AsNoTracking()
            .Where(c => c.Tenant == tenant && c.Name == configuration)
            .Select(c => c.StableRevision).SingleOrDefaultAsync(cancellationToken);
        if (stable == 0)
            return false;

        var revision = await revisions.GetAsync(db, new RevisionKey(tenant, configuration, stable), cancellationToken);
        var candidates = await CandidatesAsync(tenant, revision, cancellationToken);
        if (candidates.Count == 0)
            return false;

        var chunk = candidates.Take(Assigner.Chunk).ToList();
        await db.LockTargetsAsync(chunk, cancellationToken);
        var fleet = await assigner.LockAsync(chunk, cancellationToken);

        // Read under the locks: what a later revision's rollout has brought or taken away is not to be undone from behind.
        // Its end sweeps again.
        if (await db.Rollouts.AnyAsync(
            r => r.Tenant == tenant && r.Configuration == configuration && r.Revision > stable
                && r.StartedAt != null && r.EndedAt == null,
            cancellationToken))
        {
            return false;
        }

        var budget = new SendBudget();
        var sent = new List<FleetMember>();
        var renumbered = new List<FleetMember>();
        foreach (var member in fleet.Members.Values)
        {
            var runtime = member.Runtime;
            var assigned = member.Assignments.GetValueOrDefault(configuration);
            var wanted = revision.Matches(runtime.RuntimeId, runtime.Kind, runtime.Labels) ? revision : null;
            if (runtime.State == RuntimeState.Deregistering || assigned?.Revision >= stable || (wanted is null && assigned is null))
                continue;

            if (wanted is not null && assigned?.Digest == wanted.Digest && member.StaysEffective(configuration, wanted))
            {
                renumbered.Add(member);
                continue;
            }

            member.Assign(configuration, wanted);
            if (budget.Takes(member))
                sent.Add(member);
        }

        await assigner.RenumberAsync(renumbered, revision, cancellationToken);
        await assigner.SendAsync(sent, new SendCause(null, configuration, stable), cancellationToken);
        return budget.IsSpent || candidates.Count > chunk.Count;
    }

    /// <summary>Sweeps every configuration that has no open rollout, each chunk in a transaction of its own.</summary>
    public async Task SweepAllAsync(Func<Func<Task>, Task> inTransaction, CancellationToken cancellationToken)
    {
        var behind = await db.Configurations.AsNoTracking()
            .Where(c => c.StableRevision > 0
                && !db.Rollouts.Any(r => r.Tenant == c.Tenant && r.Configuration == c.Name && r.EndedAt == null))
            .Select(c => new { c.Tenant, c.Name }).ToListAsync(cancellationToken);
        foreach (var configuration in behind)
        {
            var more = true;
            while (more)
            {
                await inTransaction(async () =>
                    more = await SweepChunkAsync(configuration.Tenant, configuration.Name, cancellationToken));
            }
        }
    }

    /// <summary>Runtimes that are assigned an older revision, or none although they match; but not what they refused.</summary>
    private async Task<List<string>> CandidatesAsync(
        string tenant, RevisionContent revision, CancellationToken cancellationToken)
    {
        var behind = await (
                from r in db.Runtimes.AsNoTracking()
                where r.Tenant == tenant && r.State != RuntimeState.Deregistering
                from a in db.Assignments.Where(a => a.RuntimeId == r.RuntimeId && a.Configuration == revision.Configuration)
                    .DefaultIfEmpty()
                where a == null || a.Revision < revision.Revision
                from i in db.ReportItems.Where(i => i.RuntimeId == r.RuntimeId && i.Configuration == revision.Configuration)
                    .DefaultIfEmpty()
                orderby r.RuntimeId
                select new
                {
                    r.RuntimeId, r.Kind, r.Labels, Assigned = a != null,
                    Refused = i != null && (i.Outcome == "rejected" || i.Outcome == "failed") ? i.OutcomeDigest : null,
                })
            .ToListAsync(cancellationToken);
        return
        [
            .. behind.Where(r =>
            {
                var matches = revision.Matches(r.RuntimeId, r.Kind, r.Labels);
                return matches ? r.Refused != revision.Digest : r.Assigned;
            }).Select(r => r.RuntimeId),
        ];
    }
}
