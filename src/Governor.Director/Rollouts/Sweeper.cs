using Governor.Director.Assignments;
using Governor.Director.Credentials;
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
    /// <param name="tenant">Owner of the item.</param>
    /// <param name="item">The configuration or credential.</param>
    /// <param name="after">Where the former chunk ended; null for the first.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>Where this chunk ended, or null if it was the last.</returns>
    public async Task<string?> SweepChunkAsync(
        string tenant, string item, string? after, CancellationToken cancellationToken)
    {
        var stable = await db.StableAsync(tenant, item, cancellationToken);
        if (stable == 0)
            return null;

        var revision = await revisions.GetAsync(db, new RevisionKey(tenant, item, stable), cancellationToken);
        var (chunk, last) = await CandidatesAsync(tenant, revision, after, cancellationToken);
        if (chunk.Count == 0)
            return last;

        await db.LockTargetsAsync(chunk, cancellationToken);
        var fleet = await assigner.LockAsync(chunk, cancellationToken);

        // Dispatch commits under the locks of these runtimes. If a newer rollout has begun, what it took from them must not
        // come back; its own end sweeps.
        if (await db.StableAsync(tenant, item, cancellationToken) != stable
            || await db.Rollouts.AnyAsync(
                r => r.Tenant == tenant && r.Item == item && r.EndedAt == null
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
            var assigned = member.Assignments.GetValueOrDefault(item);
            var wanted = member.Matches(revision) ? revision : null;
            if (runtime.State == RuntimeState.Deregistering || assigned?.Revision >= stable || (wanted is null && assigned is null)
                || (wanted is not null && rejections.Has(member, wanted)))
            {
                continue;
            }

            if (wanted is not null && assigned?.Digest == wanted.Digest && member.StaysEffective(item, wanted))
            {
                renumbered.Add(member);
                continue;
            }

            member.Assign(item, wanted);
            if (!budget.Takes(member))
                break;
            sent.Add(member);
        }

        await assigner.RenumberAsync(renumbered, revision, cancellationToken);
        await assigner.SendAsync(sent, new SendCause(null, item, stable), cancellationToken);
        return budget.IsSpent ? sent[^1].Runtime.RuntimeId : last;
    }

    /// <summary>Sweeps every configuration and credential that has no open rollout, each chunk in a transaction of its own.</summary>
    public async Task SweepAllAsync(Func<Func<Task>, Task> inTransaction, CancellationToken cancellationToken)
    {
        var behind = await db.Configurations.AsNoTracking()
            .Where(c => c.StableRevision > 0
                && !db.Rollouts.Any(r => r.Tenant == c.Tenant && r.Item == c.Name && r.EndedAt == null))
            .OrderBy(c => c.Tenant).ThenBy(c => c.Name)
            .Select(c => new { c.Tenant, Item = c.Name }).ToListAsync(cancellationToken);
        behind.AddRange(await (
                from v in db.CredentialVersions.AsNoTracking()
                where v.Stage == VersionStage.Current
                let item = Items.CredentialPrefix + v.Credential
                where !db.Rollouts.Any(r => r.Tenant == v.Tenant && r.Item == item && r.EndedAt == null)
                    && db.Assignments.Any(a => a.Item == item && a.Revision < v.Version
                        && db.Runtimes.Any(r => r.RuntimeId == a.RuntimeId && r.Tenant == v.Tenant))
                orderby v.Tenant, v.Credential
                select new { v.Tenant, Item = item })
            .ToListAsync(cancellationToken));
        foreach (var (tenant, item) in behind.Select(b => (b.Tenant, b.Item)))
        {
            string? after = null;
            do
            {
                await inTransaction(async () =>
                    after = await SweepChunkAsync(tenant, item, after, cancellationToken));
            }
            while (after is not null);
        }
    }

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
                    from a in db.Assignments.Where(a => a.RuntimeId == r.RuntimeId && a.Item == revision.Item)
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
                var matches = revision.IsCredential ? runtime.Assigned : revision.Matches(runtime.RuntimeId, runtime.Kind, runtime.Labels);
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

internal static class StableRevisions
{
    /// <summary>The stable revision of a configuration, or the current version of a credential; 0 if there is none.</summary>
    public static Task<int> StableAsync(this DirectorDbContext db, string tenant, string item, CancellationToken cancellationToken) =>
        Items.Credential(item) is { } credential
            ? db.CredentialVersions.AsNoTracking()
                .Where(v => v.Tenant == tenant && v.Credential == credential && v.Stage == VersionStage.Current)
                .Select(v => v.Version).SingleOrDefaultAsync(cancellationToken)
            : db.Configurations.AsNoTracking()
                .Where(c => c.Tenant == tenant && c.Name == item).Select(c => c.StableRevision).SingleOrDefaultAsync(cancellationToken);
}
