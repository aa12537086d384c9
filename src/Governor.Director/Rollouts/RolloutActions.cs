using Governor.Contracts;
using Governor.Director.Persistence;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <summary>Kinds of action, as in the paths of the admin endpoint.</summary>
internal static class RolloutActions
{
    public const string Abort = "abort";
    public const string RollBack = "rollback";

    /// <summary>Actions of the design that come with waves and policies.</summary>
    public static readonly IReadOnlyList<string> NotImplemented =
        ["pause", "resume", "promote", "approve", "deny", "retry"];
}

/// <summary>Takes a request for an action: its row and the message that brings it to the saga, in one transaction.</summary>
internal sealed class RolloutActionHandler(
    DirectorDbContext db, IPublishEndpoint bus, IServiceScopeFactory scopes, TimeProvider clock)
{
    /// <summary>How long the answer is waited for before the caller is told where it will stand.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);

    /// <summary>Writes the request.</summary>
    /// <returns>The action, or null if there is no such rollout.</returns>
    public async Task<RolloutAction?> RequestAsync(
        Guid rolloutId, string kind, string requestedBy, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        await using var transaction = await db.JoinTransactionAsync(cancellationToken);
        if (!await db.Rollouts.AnyAsync(r => r.CorrelationId == rolloutId, cancellationToken))
            return null;

        var action = new RolloutAction
        {
            ActionId = Guid.CreateVersion7(now), RolloutId = rolloutId, Kind = kind, RequestedBy = requestedBy, RequestedAt = now,
        };
        db.Actions.Add(action);
        await bus.Publish(new RolloutActionRequested(rolloutId, action.ActionId), cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return action;
    }

    /// <summary>Watches the action's row until the saga has answered there, for up to five seconds.</summary>
    public async Task<RolloutAction> WatchAsync(RolloutAction action, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(LookEvery, clock);
        var until = clock.GetUtcNow() + Patience;
        while (action.AnsweredAt is null && clock.GetUtcNow() < until)
        {
            await timer.WaitForNextTickAsync(cancellationToken);
            await using var scope = scopes.CreateAsyncScope();
            action = await scope.ServiceProvider.GetRequiredService<DirectorDbContext>().Actions.AsNoTracking()
                .SingleAsync(a => a.ActionId == action.ActionId, cancellationToken);
        }

        return action;
    }
}
