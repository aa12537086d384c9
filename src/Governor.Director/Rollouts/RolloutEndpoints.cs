using Governor.Director.Assignments;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <summary>The read side of the admin endpoint: <c>/admin/rollouts</c>.</summary>
internal static class RolloutEndpoints
{
    public static void MapRollouts(this IEndpointRouteBuilder routes)
    {
        var rollouts = routes.MapGroup("/admin/rollouts").WithTags("Rollouts");
        rollouts.MapGet("", ListAsync);
        rollouts.MapGet("/{rolloutId}", GetAsync);
        rollouts.MapGet("/{rolloutId}/targets", TargetsAsync);
        rollouts.MapActions();
    }

    private static async Task<IResult> ListAsync(
        string? state, string? configuration, string? credential, string? limit, string? cursor, HttpContext http, DirectorDbContext db,
        CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var paging = Paging.Read(limit, cursor);
        if ((tenant.Refusal ?? paging.Refusal) is { } refusal)
            return refusal.ToProblem();

        // Ids grow with time, so their order is the order of acceptance.
        var (size, after) = paging.Value!.Paging;
        if (after is not null && !Guid.TryParse(after, out _))
            return Problems.Invalid("invalid-cursor", "`cursor` must be the `nextCursor` of a former page, unchanged.");
        var item = StoredText.Sought(credential is null ? configuration : Items.OfCredential(credential));
        var wanted = RolloutStates.All.FirstOrDefault(s => s.Equals(state, StringComparison.OrdinalIgnoreCase));
        if (state is not null && wanted is null)
            return Problems.Invalid("invalid-state", $"`state` must be one of {string.Join(", ", RolloutStates.All)}.");
        var rows = await db.Rollouts
            .FromSqlRaw(
                "SELECT * FROM rollouts WHERE tenant = @tenant AND rollout_id < @before",
                db.Parameter("tenant", tenant.Value), db.Parameter("before", after is null ? Guid.AllBitsSet : Guid.Parse(after)))
            .AsNoTracking()
            .Where(r => (wanted == null || r.CurrentState == wanted) && (item == null || r.Item == item))
            .OrderByDescending(r => r.CorrelationId).Take(size + 1).ToListAsync(cancellationToken);
        var ids = rows.Select(r => r.CorrelationId).ToList();
        var waves = (await db.Waves.AsNoTracking().Where(w => ids.Contains(w.RolloutId)).ToListAsync(cancellationToken))
            .ToLookup(w => w.RolloutId);
        return TypedResults.Ok(paging.Value.Paging.Of(
            rows, r => r.CorrelationId.ToString(), r => RolloutSummary.Of(r, waves[r.CorrelationId])));
    }

    private static async Task<IResult> GetAsync(
        string rolloutId, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        if (http.Tenant().Refusal is { } refusal)
            return refusal.ToProblem();
        if (await FindAsync(rolloutId, http, db, cancellationToken) is not { } rollout)
            return RolloutNotFound(rolloutId);

        var id = rollout.CorrelationId;
        var waves = await db.Waves.AsNoTracking().Where(w => w.RolloutId == id).OrderBy(w => w.Wave).ToListAsync(cancellationToken);
        var events = await db.Events.AsNoTracking().Where(e => e.RolloutId == id).OrderBy(e => e.Number)
            .Select(e => new TimelineEntry(e.Number, e.At, e.Kind, e.Detail)).ToListAsync(cancellationToken);
        return TypedResults.Ok(RolloutDetail.Of(rollout, waves, events));
    }

    private static async Task<IResult> TargetsAsync(
        string rolloutId, string? state, string? limit, string? cursor, HttpContext http, DirectorDbContext db,
        CancellationToken cancellationToken)
    {
        var paging = Paging.Read(limit, cursor);
        if (!paging.Succeeded)
            return paging.Refusal.ToProblem();
        if (await FindAsync(rolloutId, http, db, cancellationToken) is not { } rollout)
            return RolloutNotFound(rolloutId);

        TargetState? wanted = null;
        if (state is not null)
        {
            if (!Enum.TryParse<TargetState>(state, ignoreCase: true, out var parsed) || !Enum.IsDefined(parsed))
            {
                return Problems.Invalid("invalid-state",
                    $"`state` must be one of {string.Join(", ", Enum.GetNames<TargetState>())}.");
            }

            wanted = parsed;
        }

        var (size, after) = paging.Value.Paging;
        var rows = await db.Targets.AsNoTracking()
            .Where(t => t.RolloutId == rollout.CorrelationId && (wanted == null || t.State == wanted)
                && (after == null || string.Compare(t.RuntimeId, after) > 0))
            .OrderBy(t => t.RuntimeId).Take(size + 1).ToListAsync(cancellationToken);
        return TypedResults.Ok(paging.Value.Paging.Of(rows, t => t.RuntimeId, TargetView.Of));
    }

    /// <summary>Finds a rollout of the request's tenant; an id that is none finds nothing.</summary>
    public static async Task<Rollout?> FindAsync(
        string rolloutId, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken) =>
        Guid.TryParse(rolloutId, out var id) && http.Tenant() is { Succeeded: true, Value: var tenant }
            ? await db.Rollouts.AsNoTracking()
                .SingleOrDefaultAsync(r => r.CorrelationId == id && r.Tenant == tenant, cancellationToken)
            : null;

    public static Refusal NotFound(string rolloutId) => new(StatusCodes.Status404NotFound, "rollout-not-found",
        $"There is no rollout '{rolloutId}' in this tenant. GET /admin/rollouts lists them.");

    public static ProblemHttpResult RolloutNotFound(string rolloutId) => NotFound(rolloutId).ToProblem();
}
