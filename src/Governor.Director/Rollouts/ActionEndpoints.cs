using Governor.Director.Commands;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <summary>What is kept of a request for an action: the row in which its answer stands.</summary>
internal sealed record RequestedAction(Guid ActionId);

/// <summary>Actions on a rollout: <c>200</c> with the new state, <c>409</c> with the reason, or <c>202</c> and where the
/// answer will stand.</summary>
internal static class ActionEndpoints
{
    public static void MapActions(this RouteGroupBuilder rollouts)
    {
        foreach (var kind in new[] { RolloutActions.Abort, RolloutActions.RollBack })
        {
            rollouts.MapPost($"/{{rolloutId}}/{kind}",
                (string rolloutId, HttpContext http, DirectorDbContext db, RolloutActionHandler handler, IdempotentRequests requests,
                    CancellationToken cancellationToken) => ActAsync(kind, rolloutId, http, db, handler, requests, cancellationToken));
        }

        rollouts.MapGet("/{rolloutId}/actions/{actionId}", GetAsync);
        foreach (var kind in RolloutActions.NotImplemented)
        {
            rollouts.MapPost($"/{{rolloutId}}/{kind}",
                async (string rolloutId, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken) =>
                    await RolloutEndpoints.FindAsync(rolloutId, http, db, cancellationToken) is null
                        ? RolloutEndpoints.RolloutNotFound(rolloutId)
                        : Problems.NotImplemented($"The action `{kind}`"));
        }
    }

    private static async Task<IResult> ActAsync(
        string kind, string rolloutId, HttpContext http, DirectorDbContext db, RolloutActionHandler handler, IdempotentRequests requests,
        CancellationToken cancellationToken)
    {
        if (await RolloutEndpoints.FindAsync(rolloutId, http, db, cancellationToken) is not { } rollout)
            return RolloutEndpoints.RolloutNotFound(rolloutId);
        var requested = await requests.OnceAsync<RequestedAction>(
            http, rollout.Tenant, [],
            async token => await handler.RequestAsync(rollout.CorrelationId, kind, http.RequestedBy(), token)
                is { } row ? new RequestedAction(row.ActionId) : RolloutEndpoints.NotFound(rolloutId),
            cancellationToken);
        if (!requested.Succeeded)
            return requested.Refusal.ToProblem();

        // Of a repeated request the action may be answered already: its row is read first.
        var action = await db.Actions.AsNoTracking().SingleAsync(a => a.ActionId == requested.Value.ActionId, cancellationToken);
        action = await handler.WatchAsync(action, cancellationToken);
        return action.Accepted switch
        {
            true => TypedResults.Ok(ActionView.Of(action)),
            false => new Refusal(StatusCodes.Status409Conflict, "action-not-possible", action.Reason!).ToProblem(),
            null => TypedResults.Accepted($"/admin/rollouts/{rolloutId}/actions/{action.ActionId}", ActionView.Of(action)),
        };
    }

    private static async Task<IResult> GetAsync(
        string rolloutId, string actionId, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        if (await RolloutEndpoints.FindAsync(rolloutId, http, db, cancellationToken) is not { } rollout)
            return RolloutEndpoints.RolloutNotFound(rolloutId);

        var action = Guid.TryParse(actionId, out var id)
            ? await db.Actions.AsNoTracking().SingleOrDefaultAsync(
                a => a.ActionId == id && a.RolloutId == rollout.CorrelationId, cancellationToken)
            : null;
        return action is null
            ? Problems.NotFound("action-not-found", $"Rollout '{rolloutId}' has no action '{actionId}'.")
            : TypedResults.Ok(ActionView.Of(action));
    }
}
