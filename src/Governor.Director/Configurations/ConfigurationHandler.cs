using Governor.Director.Assignments;
using Governor.Director.Credentials;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Configurations;

/// <summary>A change that a client asks for, whichever way it came.</summary>
/// <param name="Tenant">Owner of the configuration.</param>
/// <param name="Name">Name of the configuration.</param>
/// <param name="RequestedBy">Who asks.</param>
/// <param name="ExpectedRevision">Newest revision that the client has seen, if it insists; 0 means that there must be none.</param>
internal sealed record ChangeRequest(string Tenant, string Name, string RequestedBy, int? ExpectedRevision);

/// <summary>What became of an accepted change.</summary>
/// <param name="Revision">The revision that holds the content.</param>
/// <param name="RolloutId">Its rollout; null if nothing had to change.</param>
internal sealed record AcceptedChange(int Revision, Guid? RolloutId);

/// <summary><i>Accept</i>: validates a change and writes revision, rollout, targets and the message that wakes the saga in
/// one transaction. The one handler of REST and of commands.</summary>
internal sealed class ConfigurationHandler(
    DirectorDbContext db, RolloutPlanner planner, RevisionContents revisions, CredentialReferences references, TimeProvider clock)
{
    /// <summary>Most bytes of everything that one runtime is assigned.</summary>
    public const int MaxRuntimeContent = 1024 * 1024;

    public async Task<Outcome<AcceptedChange>> UpdateAsync(
        ChangeRequest change, ConfigurationRequest request, CancellationToken cancellationToken)
    {
        await using var transaction = await db.JoinTransactionAsync(cancellationToken);
        var configuration = await LockAsync(change, create: true, cancellationToken);
        if (Lost(change, configuration!.NewestRevision) is { } lost)
            return lost;

        if (await references.CheckAsync(change.Tenant, request.References, cancellationToken) is { } unknown)
            return unknown;

        if (await UnchangedAsync(configuration, request.Content, cancellationToken) is { } revision)
            return new AcceptedChange(revision, null);

        var json = request.Content.ToJson();
        var row = NewRevision(configuration, change, json, ContentDigest.Of(request.Content.Components));
        var targets = await TargetsAsync(configuration, request.Content, cancellationToken);
        if (targets.Matching == 0 && !request.AllowEmpty)
        {
            return new Refusal(StatusCodes.Status409Conflict, "no-matching-runtime",
                "The target selector matches no registered runtime. Correct `target`, register runtimes first, or set `allowEmpty` to true.");
        }

        if (await OversizedAsync(configuration, row.Size, targets.RuntimeIds, cancellationToken) is { } oversized)
            return oversized;

        return await AcceptAsync(configuration, row, request.Policy, change, targets.RuntimeIds, transaction, cancellationToken);
    }

    /// <summary>Makes the last, empty revision; its rollout takes the configuration from every runtime.</summary>
    public async Task<Outcome<AcceptedChange>> DeleteAsync(
        ChangeRequest change, RolloutPolicy policy, CancellationToken cancellationToken)
    {
        await using var transaction = await db.JoinTransactionAsync(cancellationToken);
        var configuration = await LockAsync(change, create: false, cancellationToken);
        if (configuration is null)
            return NotFound(change.Name);
        if (Lost(change, configuration.NewestRevision) is { } lost)
            return lost;
        if (await UnchangedAsync(configuration, content: null, cancellationToken) is { } revision)
            return new AcceptedChange(revision, null);

        var row = NewRevision(configuration, change, content: null, digest: null);
        var targets = await TargetsAsync(configuration, content: null, cancellationToken);
        return await AcceptAsync(configuration, row, policy, change, targets.RuntimeIds, transaction, cancellationToken);
    }

    public static Refusal NotFound(string name) => new(StatusCodes.Status404NotFound, "configuration-not-found",
        $"There is no configuration '{name}' in this tenant. GET /api/v1/configurations lists them.");

    private async Task<AcceptedChange> AcceptAsync(
        Configuration configuration, ConfigurationRevision row, RolloutPolicy policy, ChangeRequest change,
        IReadOnlyCollection<string> runtimeIds, JoinedTransaction transaction,
        CancellationToken cancellationToken)
    {
        db.Revisions.Add(row);
        configuration.NewestRevision = row.Revision;
        var key = new RevisionKey(row.Tenant, row.Configuration, row.Revision);
        var rollout = await planner.PlanAsync(key, policy, change.RequestedBy, runtimeIds, rollbackOf: null, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return new AcceptedChange(row.Revision, rollout.CorrelationId);
    }

    /// <summary>Locks the configuration's row, so that changes of one configuration follow each other.</summary>
    private async Task<Configuration?> LockAsync(ChangeRequest change, bool create, CancellationToken cancellationToken)
    {
        if (create)
        {
            await db.Database.ExecuteSqlRawAsync(
                """
                INSERT INTO configurations (tenant, name, created_at, newest_revision, stable_revision)
                VALUES (@tenant, @name, @now, 0, 0) ON CONFLICT (tenant, name) DO NOTHING
                """,
                [db.Parameter("tenant", change.Tenant), db.Parameter("name", change.Name), db.Parameter("now", clock.GetUtcNow())],
                cancellationToken);
        }

        return await db.Configurations
            .FromSqlRaw(
                $"SELECT * FROM configurations WHERE tenant = @tenant AND name = @name{db.ForUpdate()}",
                db.Parameter("tenant", change.Tenant), db.Parameter("name", change.Name))
            .SingleOrDefaultAsync(cancellationToken);
    }

    private static Refusal? Lost(ChangeRequest change, int newest) =>
        change.ExpectedRevision is not { } expected || Expectation.Holds(expected, newest) ? null
            : new Refusal(StatusCodes.Status412PreconditionFailed, "precondition-failed", newest == 0
                ? $"Configuration '{change.Name}' does not exist; the request expects that it does."
                : $"Configuration '{change.Name}' is at revision {newest}, which is not what the request expects: somebody else changed it. Read it again and repeat the change.");

    /// <summary>The newest revision's number, if it has this content already and is stable or on its way.</summary>
    private async Task<int?> UnchangedAsync(
        Configuration configuration, ConfigurationContent? content, CancellationToken cancellationToken)
    {
        if (configuration.NewestRevision == 0)
            return null;

        var newest = await revisions.GetAsync(
            db, new RevisionKey(configuration.Tenant, configuration.Name, configuration.NewestRevision), cancellationToken);
        var same = content is null ? newest.Content is null : newest.Content?.SameAs(content) == true;
        if (!same)
            return null;

        var holds = configuration.StableRevision == configuration.NewestRevision
            || await db.Rollouts.AnyAsync(
                r => r.Tenant == configuration.Tenant && r.Item == configuration.Name
                    && r.Revision == configuration.NewestRevision && r.EndedAt == null,
                cancellationToken);
        return holds ? configuration.NewestRevision : null;
    }

    private ConfigurationRevision NewRevision(
        Configuration configuration, ChangeRequest change, string? content, string? digest) => new()
        {
            Tenant = configuration.Tenant, Configuration = configuration.Name, Revision = configuration.NewestRevision + 1,
            Content = content, Digest = digest, Size = content is null ? 0 : System.Text.Encoding.UTF8.GetByteCount(content),
            CreatedAt = clock.GetUtcNow(), CreatedBy = change.RequestedBy,
        };

    /// <summary>Who the rollout is for: whoever matches, and whoever is assigned the configuration and matches no more.</summary>
    private async Task<(int Matching, IReadOnlyCollection<string> RuntimeIds)> TargetsAsync(
        Configuration configuration, ConfigurationContent? content, CancellationToken cancellationToken)
    {
        var fleet = await (
                from r in db.Runtimes.AsNoTracking()
                where r.Tenant == configuration.Tenant && r.State != RuntimeState.Deregistering
                select new
                {
                    r.RuntimeId, r.Kind, r.Labels,
                    Assigned = db.Assignments.Any(a => a.RuntimeId == r.RuntimeId && a.Item == configuration.Name),
                })
            .ToListAsync(cancellationToken);
        var matching = fleet
            .Where(r => content?.Target.Matches(r.RuntimeId, r.Kind, r.Labels) == true)
            .Select(r => r.RuntimeId).ToHashSet(StringComparer.Ordinal);
        var count = matching.Count;
        matching.UnionWith(fleet.Where(r => r.Assigned).Select(r => r.RuntimeId));
        return (count, matching);
    }

    /// <summary>Counts what each target holds, and what open rollouts bring it. A change that makes a runtime's content no
    /// larger is always possible: it may be the way out.</summary>
    private async Task<Refusal?> OversizedAsync(
        Configuration configuration, int size, IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken)
    {
        var assigned =
            from a in db.Assignments
            where runtimeIds.Contains(a.RuntimeId)
            join v in db.Revisions on new { configuration.Tenant, a.Item, a.Revision }
                equals new { v.Tenant, Item = v.Configuration, v.Revision }
            select new { a.RuntimeId, v.Configuration, v.Size };
        var coming =
            from t in db.Targets
            where runtimeIds.Contains(t.RuntimeId)
                && (t.State == TargetState.Waiting || t.State == TargetState.Deferred)
            join o in db.Rollouts.Where(o => o.EndedAt == null && o.Item != configuration.Name)
                on t.RolloutId equals o.CorrelationId
            join v in db.Revisions on new { o.Tenant, o.Item, o.Revision } equals new { v.Tenant, Item = v.Configuration, v.Revision }
            select new { t.RuntimeId, v.Configuration, v.Size };
        var sums = (await assigned.Concat(coming).ToListAsync(cancellationToken))
            .GroupBy(x => (x.RuntimeId, x.Configuration))
            .Select(g => (g.Key.RuntimeId, g.Key.Configuration, Size: g.Max(x => x.Size)))
            .GroupBy(x => x.RuntimeId, StringComparer.Ordinal)
            .Select(g => (RuntimeId: g.Key, Total: g.Where(x => x.Configuration != configuration.Name).Sum(x => (long)x.Size) + size,
                Former: g.Sum(x => (long)x.Size)))
            .Where(x => x.Total > MaxRuntimeContent && x.Total > x.Former).OrderBy(x => x.RuntimeId, StringComparer.Ordinal).ToList();
        return sums.Count == 0 ? null : new Refusal(
            StatusCodes.Status422UnprocessableEntity, "runtime-content-too-large",
            $"With this revision, {sums.Count} runtime(s) would hold more than {MaxRuntimeContent} bytes of content, for example "
            + $"'{sums[0].RuntimeId}' with {sums[0].Total}. Make this or other configurations of these runtimes smaller, or narrow `target`.");
    }
}
