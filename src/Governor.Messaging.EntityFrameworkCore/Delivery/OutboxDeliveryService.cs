using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Delivers what the outbox holds: at once when signalled, otherwise at every look at the table.</summary>
/// <remarks>
/// Two loops: one takes every outbox that is not known to fail, the other tries those again that are. So an outbox whose
/// broker refuses it, or does not answer, keeps no other waiting. A failure of everything while the bus is not connected
/// is an outage, not a fault of an outbox: both loops then wait for the bus.
/// </remarks>
internal sealed partial class OutboxDeliveryService<TDbContext>(
    IServiceScopeFactory scopes, IBusControl bus, OutboxOptions<TDbContext> options, OutboxSignal<TDbContext> signal,
    TimeProvider clock, ILogger<OutboxDeliveryService<TDbContext>> logger) : BackgroundService
    where TDbContext : DbContext
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BusLook = TimeSpan.FromMilliseconds(100);

    /// <summary>A bus can be unhealthy for reasons that do not stop it from sending: after this long it is tried all the same.</summary>
    private static readonly TimeSpan BusPatience = TimeSpan.FromSeconds(5);

    private readonly FailedOutboxes _failed = new(clock);
    private readonly OutboxSender _sender = new(bus, clock);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var abandon = new CancellationTokenSource();
        await using var drain = stoppingToken.Register(() => abandon.CancelAfter(DrainLimit));
        await Task.WhenAll(
            RepeatAsync(DeliverAsync, stoppingToken, abandon.Token),
            RepeatAsync(RetryAsync, stoppingToken, abandon.Token));
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
                    LogPassFailed(exception, typeof(TDbContext).Name, options.QueryDelay);
                said = exception.Message;
                await PauseAsync(options.QueryDelay, stop);
            }
        }
    }

    private async Task DeliverAsync(CancellationToken stop, CancellationToken abandon)
    {
        await WaitForBusAsync(stop);
        var result = await RunPassAsync(new OutboxSelection(options.QueryMessageLimit, Only: null, _failed.All), stop, abandon);
        if (IsOutage(result))
            await PauseAsync(options.QueryDelay, stop);
        else if (Record(result) < options.QueryMessageLimit)
            await signal.WaitAsync(options.QueryDelay, clock, stop);
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
            foreach (var outboxId in due.Except(result.Deliveries.Where(d => d.Error is not null).Select(d => d.OutboxId)))
                _failed.Remove(outboxId);
        }

        await PauseAsync(options.QueryDelay, stop);
    }

    private async Task<OutboxPassResult> RunPassAsync(OutboxSelection selection, CancellationToken stop, CancellationToken abandon)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<TDbContext>();
        return await new OutboxPass<TDbContext>(context, options, _sender, clock).RunAsync(selection, stop, abandon);
    }

    // A bus with endpoints is degraded, not unhealthy, after it lost its connection.
    private bool IsOutage(OutboxPassResult result) =>
        result.Done == 0 && result.Deliveries.Any(d => d.Error is not null) && bus.CheckHealth().Status != BusHealthStatus.Healthy;

    private int Record(OutboxPassResult result)
    {
        foreach (var (outboxId, done, error) in result.Deliveries)
            if (error is not null)
                LogOutboxFailed(error, outboxId, _failed.Add(outboxId, madeProgress: done > 0));
        return result.Found;
    }

    private bool BusIsUp() => bus.CheckHealth().Status != BusHealthStatus.Unhealthy;

    private async Task WaitForBusAsync(CancellationToken stop)
    {
        if (BusIsUp())
            return;
        LogWaitingForBus(typeof(TDbContext).Name);
        var until = clock.GetUtcNow() + BusPatience;
        while (!BusIsUp() && clock.GetUtcNow() < until)
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
