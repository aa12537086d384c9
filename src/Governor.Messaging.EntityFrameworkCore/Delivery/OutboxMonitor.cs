using System.Diagnostics.Metrics;
using MassTransit.Monitoring;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Measures the outbox for MassTransit's meter, as long as somebody listens.</summary>
/// <remarks>Depth and age are read at most every 15 s, for counting a long backlog takes its time.</remarks>
internal sealed partial class OutboxMonitor<TDbContext> : BackgroundService where TDbContext : DbContext
{
    private const string DbContextTag = "messaging.masstransit.outbox.db_context";

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

    private readonly IServiceScopeFactory _scopes;
    private readonly OutboxFailures<TDbContext> _failures;
    private readonly TimeProvider _clock;
    private readonly ILogger<OutboxMonitor<TDbContext>> _logger;
    private readonly Meter _meter;
    private readonly Instrument _depthInstrument;
    private readonly KeyValuePair<string, object?> _tag = new(DbContextTag, typeof(TDbContext).Name);
    private long _depth;
    private DateTime? _oldest;

    public OutboxMonitor(
        IServiceScopeFactory scopes, OutboxFailures<TDbContext> failures, TimeProvider clock, ILogger<OutboxMonitor<TDbContext>> logger)
    {
        (_scopes, _failures, _clock, _logger) = (scopes, failures, clock, logger);
        _meter = new Meter(InstrumentationOptions.MeterName);
        _depthInstrument = _meter.CreateObservableGauge("messaging.masstransit.outbox.depth",
            () => new Measurement<long>(Volatile.Read(ref _depth), _tag), "{message}", "Messages that wait in the outbox");
        _meter.CreateObservableGauge("messaging.masstransit.outbox.oldest.age",
            () => new Measurement<double>(Age(_oldest), _tag), "s", "Age of the oldest outbox that is due");
        _meter.CreateObservableGauge("messaging.masstransit.outbox.undeliverable",
            () => new Measurement<int>(Undeliverable().Count(), _tag), "{outbox}", "Outboxes that this process cannot deliver");
        _meter.CreateObservableGauge("messaging.masstransit.outbox.undeliverable.age",
            () => new Measurement<double>(Age(Undeliverable().Select(failure => (DateTime?)failure.Value.Since).Min()), _tag), "s",
            "Age of the oldest message that this process cannot deliver");
    }

    public override void Dispose()
    {
        _meter.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, _clock);
        try
        {
            do
            {
                if (_depthInstrument.Enabled)
                    await MeasureAsync(stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Nothing to tidy up.
        }
    }

    private async Task MeasureAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var scope = _scopes.CreateAsyncScope();
            var context = scope.ServiceProvider.GetRequiredService<TDbContext>();
            Volatile.Write(ref _depth, await context.Set<OutboxMessage>().LongCountAsync(cancellationToken));
            var oldest = await context.Set<OutboxState>().OrderBy(state => state.Created).Select(state => state.Created)
                .Take(1).ToListAsync(cancellationToken);
            _oldest = oldest.Count == 0 ? null : oldest[0];
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            LogNotMeasured(exception, typeof(TDbContext).Name);
        }
    }

    private IEnumerable<KeyValuePair<Guid, OutboxFailure>> Undeliverable() =>
        _failures.Outboxes.Undeliverable.Concat(_failures.Inbox.Undeliverable);

    private double Age(DateTime? since) =>
        since is { } time ? Math.Max(0, (_clock.GetUtcNow().UtcDateTime - time).TotalSeconds) : 0;

    [LoggerMessage(9031, LogLevel.Debug, "The outbox of {DbContext} could not be measured")]
    private partial void LogNotMeasured(Exception exception, string dbContext);
}
