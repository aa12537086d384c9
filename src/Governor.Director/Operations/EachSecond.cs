using Governor.Contracts;
using Governor.Director.Persistence;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Operations;

/// <summary>What every Director does each second: it says that it listens, and claims the rollouts that are due.</summary>
internal sealed partial class EachSecond(
    IServiceScopeFactory scopes, IBusControl bus, TimeProvider clock, ILogger<EachSecond> logger) : BackgroundService
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private const int MostClaimed = 200;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Second, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await TickAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(e.GetType().Name, e.Message);
            }
        }
    }

    private async Task TickAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<DirectorDbContext>();
        if (bus.CheckHealth().Status == BusHealthStatus.Healthy)
            await db.BeatAsync(clock.GetUtcNow(), cancellationToken);
        await ClaimDueAsync(db, scope.ServiceProvider.GetRequiredService<IPublishEndpoint>(), clock.GetUtcNow(), cancellationToken);
    }

    /// <summary>Claims what is due in one statement; replicas pass over each other's claims.</summary>
    internal static async Task ClaimDueAsync(
        DirectorDbContext db, IPublishEndpoint publisher, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // A look first: nearly always nothing is due, and a writing transaction each second is not free.
        if (!await db.Rollouts.AnyAsync(r => r.NextDueAt != null && r.NextDueAt <= now, cancellationToken))
            return;

        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var due = await db.Database
            .SqlQueryRaw<Guid>(
                $"""
                 UPDATE rollouts SET next_due_at = NULL WHERE rollout_id IN (
                     SELECT rollout_id FROM rollouts WHERE next_due_at <= @now
                     ORDER BY next_due_at LIMIT {MostClaimed}{db.ForUpdateSkipLocked()})
                 RETURNING rollout_id AS "Value"
                 """,
                db.Parameter("now", now))
            .ToListAsync(cancellationToken);
        foreach (var rolloutId in due)
            await publisher.Publish(new RolloutDue(rolloutId), cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    [LoggerMessage(2502, LogLevel.Warning, "The look at what is due failed ({Exception}: {Message}); it is repeated each second")]
    private partial void LogFailed(string exception, string message);
}
