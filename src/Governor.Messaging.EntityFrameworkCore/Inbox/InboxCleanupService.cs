using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Deletes from the inbox what is older than the window of duplicate detection, and sends what a process that died, or could not
/// reach the broker, left behind after its consumers had committed.
/// </summary>
/// <remarks>In short transactions of bounded size, which leave alone what others have locked: no consumer waits for it.</remarks>
internal sealed partial class InboxCleanupService<TDbContext>(
    IServiceScopeFactory scopes, OutboxOptions<TDbContext> options, OutboxBuses<TDbContext> buses, OutboxSender sender,
    OutboxFailures<TDbContext> failures, TimeProvider clock, ILogger<InboxCleanupService<TDbContext>> logger) : BackgroundService
    where TDbContext : DbContext
{
    private const int DeleteLimit = 1000;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.QueryDelay, clock);
        string? said = null;
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    while (await DeleteAsync(stoppingToken) == DeleteLimit)
                        stoppingToken.ThrowIfCancellationRequested();
                    if (buses.AreUp)
                        await SendLeftoversAsync(stoppingToken);
                    said = null;
                }
                catch (Exception exception) when (exception is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
                {
                    if (said != exception.Message)
                        LogFailed(exception, typeof(TDbContext).Name, options.QueryDelay);
                    said = exception.Message;
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The next process goes on.
        }
    }

    private async Task<int> DeleteAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<TDbContext>();
        context.Database.SetCommandTimeout(options.QueryTimeout);
        return await context.Database.ExecuteSqlRawAsync(options.Statements.DeleteFromInbox(context),
            [clock.GetUtcNow().UtcDateTime - options.DuplicateDetectionWindow, DeleteLimit], cancellationToken);
    }

    private async Task SendLeftoversAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<TDbContext>();
        context.Database.SetCommandTimeout(options.QueryTimeout);
        var before = clock.GetUtcNow().UtcDateTime - options.Grace;
        while (!cancellationToken.IsCancellationRequested && await context.InTransactionAsync(IsolationLevel.ReadCommitted, async () =>
        {
            var claimed = await options.Statements.ClaimFromInbox(context, before, options.QueryMessageLimit, failures.Inbox.Waiting)
                .AsNoTracking().ToListAsync(cancellationToken);
            // Nearly always nothing was left to send, only to be written down.
            foreach (var row in claimed)
                await SendLeftoversAsync(context, row, cancellationToken);
            return claimed.Count == options.QueryMessageLimit;
        }, cancellationToken))
        {
            // Until fewer than that are left.
        }

        failures.Inbox.ForgetDue();
    }

    private async Task SendLeftoversAsync(TDbContext context, InboxState row, CancellationToken cancellationToken)
    {
        var entry = new InboxEntry(row.Id, row.MessageId, row.ConsumerId, IsConsumed: true, IsDelivered: false);
        using var deadline = new CancellationTokenSource(options.MessageDeliveryTimeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        if (await InboxRows.SendLeftoversAsync(context, entry, sender, buses.GetSendEndpoint, clock, either.Token) is { } error)
            LogLeft(error, row.MessageId, failures.Inbox.Add(row.MessageId, row.Consumed, madeProgress: false));
        else
            failures.Inbox.Remove(row.MessageId);
    }

    [LoggerMessage(9012, LogLevel.Warning, "What the consumer of message {MessageId} sent could not leave ({Attempts} attempts); it is tried again on its own")]
    private partial void LogLeft(Exception exception, Guid messageId, int attempts);

    [LoggerMessage(9013, LogLevel.Error, "The inbox of {DbContext} could not be cleaned up; next look in {Delay}")]
    private partial void LogFailed(Exception exception, string dbContext, TimeSpan delay);
}
