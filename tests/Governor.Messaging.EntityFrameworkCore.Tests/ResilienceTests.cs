using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>Brokers that are away or full, databases that refuse, clocks that differ, processes that stop.</summary>
public sealed class ResilienceTests(ServersBackend backend) : IClassFixture<ServersBackend>
{
    [Fact]
    public async Task Given_10000_messages_that_wait_for_a_broker_When_it_is_back_Then_all_arrive_and_the_waiting_cost_little()
    {
        const int outboxes = 200, size = 50;
        await (await StartAsync()).DisposeAsync(); // leaves the queue there: a broker that does not know it yet drops what comes before its consumer
        await using var proxy = TcpProxy.To(backend.RabbitMqPort);
        backend.ConnectTo = proxy.Port;
        try
        {
            await using var host = await StartAsync(brokerIsUp: false);
            await WriteAsync(host, outboxes, size);
            host.Commands.Clear();
            var looks = host.Commands.Texts.Count;
            await Eventually.HoldsAsync(() => Task.FromResult(host.Commands.Texts.Count > looks), "the outbox was looked at, though nobody is there");
            proxy.Open();
            await host.Recorder.UntilAsync<Routed>(outboxes * size, TimeSpan.FromMinutes(2));
            await host.OutboxIsEmptyAsync();
            IsInOrder(Numbers(host), outboxes, size);
        }
        finally
        {
            backend.ConnectTo = null;
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public async Task Given_several_delivery_services_Then_nothing_is_sent_twice_and_every_outbox_keeps_its_order(int services)
    {
        const int outboxes = 60, size = 40;
        await using var reader = await StartAsync(delivers: false);
        await WriteAsync(reader, outboxes, size);
        var deliverers = new List<TestHost>();
        try
        {
            for (var i = 0; i < services; i++)
                deliverers.Add(await StartAsync(empty: false, consumes: false, outbox: o => o.QueryMessageLimit = 7));
            await reader.OutboxIsEmptyAsync();
            await reader.Recorder.UntilAsync<Routed>(outboxes * size);
        }
        finally
        {
            foreach (var deliverer in deliverers)
                await deliverer.DisposeAsync();
        }

        Assert.Equal(outboxes * size, Numbers(reader).Count);
        IsInOrder(Numbers(reader), outboxes, size);
    }

    [Fact]
    public async Task Given_a_queue_that_refuses_more_When_there_is_room_again_Then_its_outbox_goes_on_in_order_and_no_other_has_waited()
    {
        var room = new TaskCompletionSource();
        await using var host = await StartAsync(configure: (bus, recorder) => bus.ReceiveEndpoint("narrow", endpoint =>
        {
            var rabbit = (IRabbitMqReceiveEndpointConfigurator)endpoint;
            rabbit.SetQueueArgument("x-max-length", 5);
            rabbit.SetQueueArgument("x-overflow", "reject-publish");
            rabbit.PrefetchCount = 1;
            rabbit.ConfigureConsumeTopology = false;
            endpoint.Handler<NoteWritten>(async context =>
            {
                await room.Task;
                recorder.Add(new Recorded("narrow", context.Message, context));
            });
        }));
        await host.InScopeAsync(async (scope, db) =>
        {
            var narrow = await scope.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("exchange:narrow"));
            for (var i = 0; i < 20; i++)
                await narrow.Send(new NoteWritten($"{i:00}"));
            await db.SaveChangesAsync();
        });
        await WriteAsync(host, 1, 10);
        await host.Recorder.UntilAsync<Routed>(10);
        await Eventually.HoldsAsync(
            async () => await host.ReadAsync(db => db.Set<OutboxMessage>().CountAsync()) is > 0 and <= 20, "only the narrow queue's messages wait");

        room.SetResult();
        await host.OutboxIsEmptyAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(host.Recorder.Snapshot().Select(r => r.Message).OfType<NoteWritten>().Distinct().Count() == 20), "all arrived");
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"{i:00}"),
            host.Recorder.Snapshot().Select(r => r.Message).OfType<NoteWritten>().Select(note => note.Text).Reverse().Distinct().Reverse());
    }

    [Fact]
    public async Task Given_a_message_that_the_broker_returns_When_there_is_a_queue_for_it_Then_it_arrives_and_no_other_has_waited()
    {
        await using var host = await StartAsync(configure: (bus, _) => bus.ConfigureSend(pipe => pipe.UseExecute(context =>
        {
            if (context.TryGetPayload(out RabbitMqSendContext? rabbit))
                rabbit.Mandatory = true;
        })));
        await host.InScopeAsync(async (scope, db) =>
        {
            var nowhere = await scope.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("exchange:nowhere"));
            for (var i = 0; i < 3; i++)
                await nowhere.Send(new NoteWritten($"{i}"));
            await db.SaveChangesAsync();
        });
        await WriteAsync(host, 1, 10);
        await host.Recorder.UntilAsync<Routed>(10);
        await Eventually.HoldsAsync(
            async () => await host.ReadAsync(db => db.Set<OutboxMessage>().CountAsync()) == 3, "only what was returned waits");

        var queue = host.Service<IReceiveEndpointConnector>().ConnectReceiveEndpoint(
            "nowhere", (_, endpoint) =>
            {
                endpoint.ConcurrentMessageLimit = 1; // Recorded in the order of the queue.
                endpoint.ConfigureConsumeTopology = false;
                endpoint.Handler<NoteWritten>(context =>
                {
                    host.Recorder.Add(new Recorded("nowhere", context.Message, context));
                    return Task.CompletedTask;
                });
            });
        await queue.Ready;
        await host.OutboxIsEmptyAsync();
        await host.Recorder.UntilAsync<NoteWritten>(3);
        Assert.Equal(["0", "1", "2"], host.Recorder.Snapshot().Select(r => r.Message).OfType<NoteWritten>().Select(note => note.Text));
    }

    [Fact]
    public async Task Given_consumers_that_deadlock_When_one_is_retried_Then_both_effects_are_there_once()
    {
        LockingConsumer.Meeting = new Barrier(2);
        await using var host = await StartAsync(register: bus => bus.AddConsumer<LockingConsumer>(), endpoints: (context, bus, _) =>
            bus.ReceiveEndpoint("locking", endpoint =>
            {
                endpoint.ConcurrentMessageLimit = 2;
                endpoint.UseMessageRetry(retry => retry.Intervals(50, 100, 200, 400));
                endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
                endpoint.ConfigureConsumer<LockingConsumer>(context);
            }));
        var (one, two) = await AddOrdersAsync(host);
        await host.Service<IBus>().Publish(new LockRequested(one, two));
        await host.Service<IBus>().Publish(new LockRequested(two, one));

        await host.Recorder.UntilAsync<NoteWritten>(2);
        await host.OutboxIsEmptyAsync();
        Assert.Equal(2, host.Recorder.Snapshot().Count(r => r.Message is NoteWritten));
        Assert.Equal([2, 2], await host.ReadAsync(db => db.Orders.Select(order => order.Items).ToListAsync()));
    }

    [Fact]
    public async Task Given_consumers_that_change_one_row_above_read_committed_When_they_are_retried_Then_every_effect_is_there_once()
    {
        LockingConsumer.Meeting = null;
        await using var host = await StartAsync(register: bus => bus.AddConsumer<LockingConsumer>(), outbox: o => o.IsolationLevel = IsolationLevel.RepeatableRead,
            endpoints: (context, bus, _) => bus.ReceiveEndpoint("locking", endpoint =>
            {
                endpoint.ConcurrentMessageLimit = 4;
                endpoint.UseMessageRetry(retry => retry.Intervals([.. Enumerable.Range(0, 60).Select(i => TimeSpan.FromMilliseconds(5 + i))]));
                endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
                endpoint.ConfigureConsumer<LockingConsumer>(context);
            }));
        var (one, two) = await AddOrdersAsync(host);
        await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => host.Service<IBus>().Publish(new LockRequested(one, two))));

        await host.Recorder.UntilAsync<NoteWritten>(10);
        await host.OutboxIsEmptyAsync();
        Assert.Equal(10, host.Recorder.Snapshot().Count(r => r.Message is NoteWritten));
        Assert.Equal([10, 10], await host.ReadAsync(db => db.Orders.Select(order => order.Items).ToListAsync()));
    }

    [Fact]
    public async Task Given_processes_whose_clocks_differ_Then_nothing_comes_late_or_twice()
    {
        await using var behind = await StartAsync(consumes: false, clock: TimeSpan.FromSeconds(-20));
        await using var ahead = await StartAsync(empty: false, clock: TimeSpan.FromSeconds(20));
        await WriteAsync(behind, 5, 10);
        await WriteAsync(ahead, 5, 10, first: 5);
        await ahead.Recorder.UntilAsync<Routed>(100);
        await ahead.OutboxIsEmptyAsync();
        Assert.Equal(100, Numbers(ahead).Count);
        IsInOrder(Numbers(ahead), 10, 10);
    }

    [Fact]
    public async Task Given_a_process_that_stops_amid_a_backlog_When_another_goes_on_Then_nothing_is_sent_twice()
    {
        const int outboxes = 100, size = 40;
        await using var reader = await StartAsync(delivers: false);
        await WriteAsync(reader, outboxes, size);
        // Few outboxes at a time: what the one that stops has begun, it finishes long before its drain is cut short.
        await using (await StartAsync(empty: false, consumes: false, outbox: o => o.QueryMessageLimit = 2))
            await reader.Recorder.UntilAsync<Routed>(200);
        Assert.NotEqual(0, await reader.ReadAsync(db => db.Set<OutboxMessage>().CountAsync()));
        await using var next = await StartAsync(empty: false, consumes: false);
        await reader.OutboxIsEmptyAsync();
        await reader.Recorder.UntilAsync<Routed>(outboxes * size);
        Assert.Equal(outboxes * size, Numbers(reader).Count);
        IsInOrder(Numbers(reader), outboxes, size);
    }

    private static List<int> Numbers(TestHost host) =>
        [.. host.Recorder.Snapshot().Select(received => received.Message).OfType<Routed>().Select(routed => routed.Number)];

    private static void IsInOrder(List<int> received, int outboxes, int size)
    {
        var byOutbox = received.Distinct().GroupBy(number => number / 1000).ToDictionary(group => group.Key, group => group.ToList());
        Assert.Equal(outboxes, byOutbox.Count);
        foreach (var (outbox, numbers) in byOutbox)
            Assert.Equal(Enumerable.Range(outbox * 1000, size), numbers);
    }

    private static Task WriteAsync(TestHost host, int outboxes, int size, int first = 0) => Parallel.ForEachAsync(
        Enumerable.Range(first, outboxes), new ParallelOptions { MaxDegreeOfParallelism = 8 },
        async (outbox, _) => await host.InScopeAsync(async (scope, db) =>
        {
            var bus = scope.GetRequiredService<IPublishEndpoint>();
            for (var i = 0; i < size; i++)
                await bus.Publish(new Routed("a", (outbox * 1000) + i));
            await db.SaveChangesAsync();
        }));

    private static async Task<(Guid One, Guid Two)> AddOrdersAsync(TestHost host)
    {
        var (one, two) = (NewId.NextGuid(), NewId.NextGuid());
        await host.InScopeAsync(async (_, db) =>
        {
            db.AddRange(new Order { CorrelationId = one }, new Order { CorrelationId = two });
            await db.SaveChangesAsync();
        });
        return (one, two);
    }

    private Task<TestHost> StartAsync(bool empty = true, bool consumes = true, bool delivers = true, bool brokerIsUp = true,
        TimeSpan? clock = null, Action<IEntityFrameworkOutboxConfigurator>? outbox = null, Action<IBusRegistrationConfigurator>? register = null,
        Action<IBusFactoryConfigurator, Recorder>? configure = null,
        Action<IBusRegistrationContext, IBusFactoryConfigurator, Recorder>? endpoints = null) =>
        TestHost.StartAsync(backend, empty: empty, brokerIsUp: brokerIsUp,
            register: bus =>
            {
                if (clock is { } ahead)
                    bus.AddSingleton<TimeProvider>(new ShiftedTimeProvider { Ahead = ahead });
                register?.Invoke(bus);
            },
            outbox: o =>
            {
                o.UseBusOutbox(b =>
                {
                    if (!delivers)
                        b.DisableDeliveryService();
                });
                outbox?.Invoke(o);
            },
            configure: (context, bus, recorder) =>
            {
                if (consumes)
                    bus.RecordRouted(backend, recorder, "routed", "a");
                if (endpoints is not null)
                    bus.Record<NoteWritten>(recorder, "notes");
                configure?.Invoke(bus, recorder);
                endpoints?.Invoke(context, bus, recorder);
            });
}

public sealed record LockRequested(Guid First, Guid Second);

/// <summary>Changes two rows one after the other; once, it waits in between for another that has begun with the second.</summary>
internal sealed class LockingConsumer(TestDbContext db) : IConsumer<LockRequested>
{
    public static Barrier? Meeting { get; set; }

    public async Task Consume(ConsumeContext<LockRequested> context)
    {
        await IncreaseAsync(context.Message.First);
        if (context.GetRetryAttempt() == 0 && Meeting is { } meeting)
            await Task.Run(() => meeting.SignalAndWait(TimeSpan.FromSeconds(20)), context.CancellationToken);
        await IncreaseAsync(context.Message.Second);
        await context.Publish(new NoteWritten("locked"));
    }

    private Task<int> IncreaseAsync(Guid id) => db.Orders.Where(order => order.CorrelationId == id)
        .ExecuteUpdateAsync(set => set.SetProperty(order => order.Items, order => order.Items + 1));
}
