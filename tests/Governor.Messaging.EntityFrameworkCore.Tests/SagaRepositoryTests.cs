using System.Data;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedSagaRepositoryTests(EmbeddedBackend backend) : SagaRepositoryTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersSagaRepositoryTests(ServersBackend backend) : SagaRepositoryTests(backend), IClassFixture<ServersBackend>;

public abstract class SagaRepositoryTests(Backend backend)
{
    private readonly Guid _order = NewId.NextGuid();

    [Theory]
    [InlineData(IsolationLevel.RepeatableRead)]
    [InlineData(IsolationLevel.Serializable)]
    public async Task Given_events_that_meet_above_read_committed_When_they_are_retried_Then_none_is_lost(IsolationLevel isolation)
    {
        await using var host = await StartAsync(outbox: false, isolation: isolation);
        await PlaceAsync(host);
        var bus = host.Service<IBus>();
        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => bus.Publish(new ItemAdded(_order, i))));
        await Eventually.HoldsAsync(async () => (await OrderAsync(host))?.Items == 12, "12 items were added");
    }

    [Theory]
    [InlineData(ConcurrencyMode.Pessimistic, true)]
    [InlineData(ConcurrencyMode.Optimistic, true)]
    [InlineData(ConcurrencyMode.Pessimistic, false)]
    [InlineData(ConcurrencyMode.Optimistic, false)]
    public async Task Given_events_of_one_instance_at_once_Then_none_is_lost(ConcurrencyMode mode, bool outbox)
    {
        await using var host = await StartAsync(mode, outbox);
        await PlaceAsync(host);
        var bus = host.Service<IBus>();
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => bus.Publish(new ItemAdded(_order, i))));

        var counted = await CountedAsync(host, 40);
        await Eventually.HoldsAsync(async () => (await OrderAsync(host))?.Items == 40, "40 items were added");
        if (outbox)
        {
            await host.OutboxIsEmptyAsync();
            // Every message belongs to a transaction that committed, so that each count was announced exactly once.
            Assert.Equal(Enumerable.Range(1, 40), counted.Select(message => message.Items).Order());
        }
    }

    [Fact]
    public async Task Given_first_events_of_one_instance_at_once_Then_one_row_is_made_and_the_others_are_retried()
    {
        await using var host = await StartAsync();
        var bus = host.Service<IBus>();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => bus.Publish(new OrderPlaced(_order))));
        await bus.Publish(new ItemAdded(_order, 1));
        await Eventually.HoldsAsync(async () => await OrderAsync(host) is { CurrentState: "Open" }, "the order is open");
        Assert.DoesNotContain(host.Recorder.Snapshot(), r => r.Message is Fault<OrderPlaced>);
    }

    [Fact]
    public async Task Given_an_instance_that_another_transaction_inserted_Then_the_next_event_finds_it()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (_, db) =>
        {
            db.Add(new Order { CorrelationId = _order, CurrentState = "Open", Items = 9 });
            await db.SaveChangesAsync();
        });
        await host.Service<IBus>().Publish(new ItemAdded(_order, 1));
        Assert.Equal(10, Assert.Single(await CountedAsync(host, 1)).Items);
    }

    [Fact]
    public async Task Given_an_event_without_an_instance_Then_OnMissingInstance_answers_it()
    {
        await using var host = await StartAsync();
        await host.Service<IBus>().Publish(new ItemAdded(_order, 1));
        Assert.Equal(_order, Assert.Single(await host.Recorder.UntilAsync<OrderUnknown>(1)).OrderId);
        Assert.Null(await OrderAsync(host));
    }

    [Fact]
    public async Task Given_an_instance_When_it_is_finalized_Then_its_row_is_deleted()
    {
        await using var host = await StartAsync();
        await PlaceAsync(host);
        await host.Service<IBus>().Publish(new OrderClosed(_order));
        await Eventually.HoldsAsync(async () => await OrderAsync(host) is null, "the order is gone");
    }

    [Fact]
    public async Task Given_an_event_that_correlates_by_query_Then_every_matching_instance_gets_it()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (_, db) =>
        {
            for (var i = 0; i < 3; i++)
                db.Add(new Order { CorrelationId = NewId.NextGuid(), CurrentState = "Open", Items = 5, Customer = i < 2 ? "ann" : "bob" });
            await db.SaveChangesAsync();
        });
        await host.Service<IBus>().Publish(new CustomerLeft("ann"));
        await Eventually.HoldsAsync(
            () => host.ReadAsync(async db => await db.Orders.CountAsync(order => order.Items == 0) == 2), "both of Ann's orders are empty");
        Assert.Equal(5, await host.ReadAsync(db => db.Orders.Where(order => order.Customer == "bob").Select(order => order.Items).SingleAsync()));
    }

    // Tests of the class share their queues: what another one left there is not meant.
    private async Task<List<ItemCounted>> CountedAsync(TestHost host, int count)
    {
        List<ItemCounted> Counted() => [.. host.Recorder.Snapshot().Select(r => r.Message).OfType<ItemCounted>().Where(message => message.OrderId == _order)];
        await Eventually.HoldsAsync(() => Task.FromResult(Counted().Count >= count), $"{count} items were counted");
        return Counted();
    }

    private static Task<Order?> OrderAsync(TestHost host, Guid id) =>
        host.ReadAsync(db => db.Orders.AsNoTracking().FirstOrDefaultAsync(order => order.CorrelationId == id));

    private Task<Order?> OrderAsync(TestHost host) => OrderAsync(host, _order);

    private async Task PlaceAsync(TestHost host)
    {
        await host.Service<IBus>().Publish(new OrderPlaced(_order));
        await Eventually.HoldsAsync(async () => await OrderAsync(host) is { CurrentState: "Open" }, "the order is open");
    }

    private Task<TestHost> StartAsync(ConcurrencyMode mode = ConcurrencyMode.Pessimistic, bool outbox = true, IsolationLevel isolation = IsolationLevel.ReadCommitted) => TestHost.StartAsync(backend,
        bus => bus.AddSagaStateMachine<OrderStateMachine, Order>().EntityFrameworkRepository(repository =>
        {
            repository.ConcurrencyMode = mode;
            repository.IsolationLevel = isolation;
            repository.ExistingDbContext<TestDbContext>();
            backend.UseDatabase(repository);
        }),
        (context, bus, recorder) =>
        {
            bus.ReceiveEndpoint("orders", endpoint =>
            {
                endpoint.ConcurrentMessageLimit = 8;
                endpoint.UseMessageRetry(retry => retry.Intervals([.. Enumerable.Range(0, 60).Select(i => TimeSpan.FromMilliseconds(5 + i))]));
                if (outbox)
                    endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
                endpoint.ConfigureSaga<Order>(context);
            });
            bus.Record<ItemCounted>(recorder, "counted");
            bus.Record<OrderUnknown>(recorder, "unknown");
            bus.Record<Fault<OrderPlaced>>(recorder, "faults");
        });
}
