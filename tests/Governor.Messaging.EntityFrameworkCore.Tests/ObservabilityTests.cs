using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using MassTransit;
using MassTransit.Logging;
using MassTransit.Monitoring;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>What operators see of the outbox.</summary>
public sealed class ObservabilityTests(ServersBackend backend) : IClassFixture<ServersBackend>
{
    [Fact]
    public async Task Given_a_trace_When_a_message_goes_through_the_outbox_Then_its_send_its_delivery_and_its_consumer_belong_to_the_trace()
    {
        var activities = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is DiagnosticHeaders.DefaultListenerName or "test",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activities.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        using var source = new ActivitySource("test");
        await using var host = await StartAsync();
        ActivityTraceId trace;
        using (var root = source.StartActivity("caller")!)
        {
            trace = root.TraceId;
            await PublishAsync(host, 1);
        }

        await host.Recorder.UntilAsync<Routed>(1);
        await Eventually.HoldsAsync(() =>
        {
            var names = activities.Where(activity => activity.TraceId == trace).Select(activity => activity.OperationName).ToHashSet();
            return Task.FromResult(names.IsSupersetOf(["outbox send", "outbox process", "routed receive", "routed process"]));
        }, "the trace has the outbox's send and delivery, and the receiver");
    }

    [Fact]
    public async Task Given_messages_that_wait_Then_the_meter_shows_their_number_and_age()
    {
        await using (var writer = await StartAsync(delivers: false))
            for (var i = 0; i < 3; i++)
                await PublishAsync(writer, i);

        using var gauges = new Gauges();
        await using var proxy = TcpProxy.To(backend.RabbitMqPort);
        backend.ConnectTo = proxy.Port;
        try
        {
            await using var host = await StartAsync(empty: false, brokerIsUp: false);
            await Eventually.HoldsAsync(() => Task.FromResult(gauges.Read("messaging.masstransit.outbox.depth") >= 3
                && gauges.Read("messaging.masstransit.outbox.oldest.age") > 0), "three messages wait for some time");
        }
        finally
        {
            backend.ConnectTo = null;
        }
    }

    [Fact]
    public async Task Given_an_outbox_that_cannot_be_delivered_Then_health_and_meter_show_it_and_no_other_waits()
    {
        using var gauges = new Gauges();
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, db) =>
        {
            // The exchange of the queue is a fanout: declaring it as a topic is refused, again and again.
            var refused = await scope.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("exchange:routed?type=topic"));
            await refused.Send(new Routed("a", 1));
            await db.SaveChangesAsync();
        });
        await PublishAsync(host, 2);
        await host.Recorder.UntilAsync<Routed>(1);

        var health = host.Service<HealthCheckService>();
        HealthReportEntry entry = default;
        await Eventually.HoldsAsync(async () =>
        {
            entry = (await health.CheckHealthAsync(check => check.Name == "outbox-TestDbContext")).Entries.Values.Single();
            return entry.Status == HealthStatus.Degraded;
        }, "the health check is degraded");
        Assert.StartsWith("1 outboxes cannot be delivered", entry.Description, StringComparison.Ordinal);
        Assert.Single(entry.Data);
        Assert.True(gauges.Read("messaging.masstransit.outbox.undeliverable") >= 1);
        Assert.True(gauges.Read("messaging.masstransit.outbox.undeliverable.age") > 0);
        await PublishAsync(host, 3);
        await host.Recorder.UntilAsync<Routed>(2);
    }

    private static Task PublishAsync(TestHost host, int number) => host.InScopeAsync(async (scope, db) =>
    {
        await scope.GetRequiredService<IPublishEndpoint>().Publish(new Routed("a", number));
        await db.SaveChangesAsync();
    });

    private Task<TestHost> StartAsync(bool empty = true, bool delivers = true, bool brokerIsUp = true) => TestHost.StartAsync(
        backend, empty: empty, brokerIsUp: brokerIsUp,
        outbox: outbox => outbox.UseBusOutbox(bus =>
        {
            if (!delivers)
                bus.DisableDeliveryService();
            bus.MessageDeliveryTimeout = TimeSpan.FromSeconds(1);
        }),
        configure: (_, bus, recorder) =>
        {
            if (delivers)
                bus.RecordRouted(backend, recorder, "routed", "a");
        });

    /// <summary>Reads the gauges of MassTransit's meter.</summary>
    private sealed class Gauges : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentDictionary<string, double> _values = new();

        public Gauges()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == InstrumentationOptions.MeterName && instrument.Name.Contains(".outbox.", StringComparison.Ordinal))
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => Add(instrument, value));
            _listener.SetMeasurementEventCallback<int>((instrument, value, _, _) => Add(instrument, value));
            _listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => Add(instrument, value));
            _listener.Start();
        }

        private void Add(Instrument instrument, double value) =>
            _values.AddOrUpdate(instrument.Name, value, (_, most) => Math.Max(most, value));

        public double Read(string name)
        {
            // Other tests' outboxes measure too.
            _values.Clear();
            _listener.RecordObservableInstruments();
            return _values.GetValueOrDefault(name, double.NaN);
        }

        public void Dispose() => _listener.Dispose();
    }
}
