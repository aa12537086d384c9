using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Delivers what the outbox holds: at once when signalled, otherwise at every look at the table.</summary>
/// <remarks>
/// Loops take every outbox that is not known to fail: two, where row locks keep them apart, so that the database works for one while
/// the other sends. Another loop tries those again that failed. So an outbox whose broker refuses it, or does not answer, keeps no
/// other waiting. A failure of everything while the bus is not connected is an outage, not a fault of an outbox: then all wait for the bus.
/// </remarks>
internal sealed partial class OutboxDeliveryService<TDbContext>(
    IServiceScopeFactory scopes, OutboxBuses<TDbContext> buses, OutboxSender sender, OutboxOptions<TDbContext> options,
    OutboxSignal<TDbContext> signal, OutboxFailures<TDbContext> failures, TimeProvider clock, ILogger<OutboxDeliveryService<TDbContext>> logger)
    : BackgroundService
    where TDbContext : DbContext
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BusLook = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a failure waits at least before the next attempt; see <see cref="FailedOutboxes"/>.</summary>
    private static readonly TimeSpan RetryLook = TimeSpan.FromSeconds(1);

    /// <summary>A bus can be unhealthy for reasons that do not stop it from sending: after this long it is tried all the same.</summary>
    private static readonly TimeSpan BusPatience = TimeSpan.FromSeconds(5);

    /// <summary>Messages that a pass is after: enough to make up for its statements, few enough to leave the other loop some.</summary>
    private const int PassMessages = 500;

    /// <summary>How long messages gather while others keep coming: passes that find little cost more than they deliver.</summary>
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(20);

    /// <summary>Raised when a pass leaves something.</summary>
    private readonly SemaphoreSlim _help = new(0);

    private readonly FailedOutboxes _failed = failures.Outboxes;

    /// <summary>Outboxes to claim, as long as the last ones were.</summary>
    private volatile int _claim = options.QueryMessageLimit;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var abandon = new CancellationTokenSource();
        await using var drain = stoppingToken.Register(() => abandon.CancelAfter(DrainLimit));
        List<Task> loops = [RepeatAsync(DeliverAsync, stoppingToken, abandon.Token), RepeatAsync(RetryAsync, stoppingToken, abandon.Token)];
        if (options.Sql.HasRowLocks)
            loops.Add(RepeatAsync(HelpAsync, stoppingToken, abandon.Token));
        await Task.WhenAll(loops);
    }

    private async Task RepeatAsync(
        Func<CancellationToken, CancellationToken, Task> step, CancellationToken stop, CancellationToken abandon)
    {
        string? said = null;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await step(stop, abandon);
                said = null;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                // A database that is away fails every look the same way: said once, until that changes.
                if (said != exception.Message)
                    LogPassFailed(exception, typeof(TDbContext).Name, RetryLook);
                said = exception.Message;
                await PauseAsync(RetryLook, stop);
            }
        }
    }

    private async Task DeliverAsync(CancellationToken stop, CancellationToken abandon)
    {
        if (await TakeAsync(stop, abandon))
            return;
        // A message after a pause leaves at once; of a stream that goes on, many leave together.
        if (signal.IsRaised)
            await PauseAsync(Gather, stop);
        await signal.WaitAsync(options.QueryDelay, stop);
    }

    private async Task HelpAsync(CancellationToken stop, CancellationToken abandon)
    {
        await _help.WaitAsync(stop);
        while (await TakeAsync(stop, abandon))
            stop.ThrowIfCancellationRequested();
    }

    /// <summary>Delivers what there is. Says whether to look again at once.</summary>
    private async Task<bool> TakeAsync(CancellationToken stop, CancellationToken abandon)
    {
        await WaitForBusAsync(stop);
        var result = await RunPassAsync(new OutboxSelection(_claim, Only: null, _failed.All), stop, abandon);
        if (IsOutage(result))
        {
            await PauseAsync(RetryLook, stop);
            return true;
        }

        Record(result);
        if (result.Messages > 0)
            _claim = Math.Clamp(PassMessages * result.Deliveries.Count / result.Messages, 1, options.QueryMessageLimit);
        if (result.IsFull && _help.CurrentCount == 0)
            _help.Release();
        return result.IsFull;
    }

    private async Task RetryAsync(CancellationToken stop, CancellationToken abandon)
    {
        foreach (var due in _failed.Due(options.QueryMessageLimit))
        {
            await WaitForBusAsync(stop);
            var result = await RunPassAsync(new OutboxSelection(options.QueryMessageLimit, due, []), stop, abandon);
            if (IsOutage(result))
                break;
            Record(result);
            // Delivered, or no longer there, or another process has it: the first loop sees to whatever is left.
            foreach (var outboxId in due.Except(result.Deliveries.Where(d => d.Delivery.Error is not null).Select(d => d.Delivery.OutboxId)))
            {
                _failed.Remove(outboxId);
                signal.Wake();
            }
        }

        await PauseAsync(RetryLook, stop);
    }

    private async Task<OutboxPassResult> RunPassAsync(OutboxSelection selection, CancellationToken stop, CancellationToken abandon)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<TDbContext>();
        return await new OutboxPass<TDbContext>(context, options, sender, buses, clock).RunAsync(selection, stop, abandon);
    }

    private bool IsOutage(OutboxPassResult result) =>
        result.Done == 0 && result.Deliveries.Any(d => d.Delivery.Error is not null) && !buses.AreHealthy;

    private void Record(OutboxPassResult result)
    {
        foreach (var (delivery, since) in result.Deliveries)
            if (delivery.Error is { } error)
                LogOutboxFailed(error, delivery.OutboxId, _failed.Add(delivery.OutboxId, since, madeProgress: delivery.Done > 0));
    }

    private async Task WaitForBusAsync(CancellationToken stop)
    {
        if (buses.AreUp)
            return;
        LogWaitingForBus(typeof(TDbContext).Name);
        var until = clock.GetUtcNow() + BusPatience;
        while (!buses.AreUp && clock.GetUtcNow() < until)
            await Task.Delay(BusLook, clock, stop);
    }

    private async Task PauseAsync(TimeSpan delay, CancellationToken stop)
    {
        try
        {
            await Task.Delay(delay, clock, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The loops end by their own condition.
        }
    }

    [LoggerMessage(9001, LogLevel.Warning, "Outbox {OutboxId} could not be delivered ({Attempts} attempts); it is tried again on its own")]
    private partial void LogOutboxFailed(Exception exception, Guid outboxId, int attempts);

    [LoggerMessage(9002, LogLevel.Error, "The outbox of {DbContext} could not be read or cleaned up; next look in {Delay}")]
    private partial void LogPassFailed(Exception exception, string dbContext, TimeSpan delay);

    [LoggerMessage(9003, LogLevel.Debug, "The outbox of {DbContext} waits for the bus")]
    private partial void LogWaitingForBus(string dbContext);
}
