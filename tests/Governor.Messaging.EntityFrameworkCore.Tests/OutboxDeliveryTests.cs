using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>Delivery over real servers, and what goes wrong with them.</summary>
public sealed class OutboxDeliveryTests(ServersBackend backend) : IClassFixture<ServersBackend>
{
    [Fact]
    public async Task Given_a_broker_that_is_down_When_messages_are_published_Then_they_arrive_in_order_once_it_is_up()
    {
        await DeployAsync();
        await using var proxy = TcpProxy.To(backend.RabbitMqPort);
        backend.ConnectTo = proxy.Port;
        try
        {
            await using var host = await StartAsync(brokerIsUp: false);
            await PublishAsync(host, 0, 50);
            Assert.Equal(50, await host.ReadAsync(db => db.Set<OutboxMessage>().CountAsync()));

            proxy.Open();
            await host.Recorder.UntilAsync<Routed>(50, TimeSpan.FromMinutes(3)); // The transport tries to connect less and less often.
            Assert.Equal(Enumerable.Range(0, 50), Numbers(host).Distinct());
            await host.OutboxIsEmptyAsync();
        }
        finally
        {
            backend.ConnectTo = null;
        }
    }

    [Fact]
    public async Task Given_a_broker_that_goes_away_When_it_is_back_Then_everything_is_delivered()
    {
        await using var proxy = TcpProxy.To(backend.RabbitMqPort);
        proxy.Open();
        backend.ConnectTo = proxy.Port;
        try
        {
            await using var host = await StartAsync();
            await PublishAsync(host, 0, 10);
            await host.Recorder.UntilAsync<Routed>(10);
            await proxy.CloseAsync();
            await PublishAsync(host, 10, 10);

            proxy.Open();
            await host.OutboxIsEmptyAsync();
            await Eventually.HoldsAsync(
                () => Task.FromResult(Numbers(host).ToHashSet().SetEquals(Enumerable.Range(0, 20))), "every message arrived");
        }
        finally
        {
            backend.ConnectTo = null;
        }
    }

    [Fact]
    public async Task Given_a_connection_that_breaks_in_the_middle_of_an_outbox_Then_nothing_is_lost_or_overtaken_for_good()
    {
        await using var reader = await StartAsync(outbox: o => o.UseBusOutbox(b => b.DisableDeliveryService()));
        await using var proxy = TcpProxy.To(backend.RabbitMqPort);
        proxy.Open();
        backend.ConnectTo = proxy.Port;
        try
        {
            await using var sender = await StartAsync(empty: false, consumes: false);
            await PublishAsync(sender, 0, 3000);
            await reader.Recorder.UntilAsync<Routed>(100);
            await proxy.CloseAsync();
            proxy.Open();
            await sender.OutboxIsEmptyAsync();
        }
        finally
        {
            backend.ConnectTo = null;
        }

        await Eventually.HoldsAsync(() => Task.FromResult(Numbers(reader).Distinct().Count() == 3000), "every message arrived");
        // Whatever was repeated, it was repeated together with what follows it: nothing overtook anything for good.
        Assert.Equal(Enumerable.Range(0, 3000), Numbers(reader).Reverse().Distinct().Reverse());
        await reader.OutboxIsEmptyAsync();
    }

    [Fact]
    public async Task Given_a_broker_that_is_down_When_the_host_stops_Then_it_does_not_hang()
    {
        await using var proxy = TcpProxy.To(backend.RabbitMqPort);
        backend.ConnectTo = proxy.Port;
        try
        {
            var host = await StartAsync(brokerIsUp: false);
            await PublishAsync(host, 0, 5);
            await host.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        }
        finally
        {
            backend.ConnectTo = null;
        }

        // What was not delivered is still there, and the next host delivers it.
        await using var next = await StartAsync(empty: false);
        await next.Recorder.UntilAsync<Routed>(5);
        Assert.Equal(Enumerable.Range(0, 5), Numbers(next));
    }

    [Fact]
    public async Task Given_two_delivery_services_on_one_database_Then_nothing_is_sent_twice_and_every_outbox_keeps_its_order()
    {
        const int outboxes = 100, size = 30;
        await using var writer = await StartAsync(outbox: o => o.UseBusOutbox(b => b.DisableDeliveryService()));
        await Parallel.ForEachAsync(Enumerable.Range(0, outboxes), new ParallelOptions { MaxDegreeOfParallelism = 8 },
            async (outbox, _) => await PublishAsync(writer, outbox * 1000, size));

        // Small passes, so that both get their share and outboxes span passes.
        await using var first = await StartAsync(empty: false, consumes: false, outbox: o => o.QueryMessageLimit = 70);
        await using var second = await StartAsync(empty: false, consumes: false, outbox: o => o.QueryMessageLimit = 70);
        await writer.OutboxIsEmptyAsync();
        await writer.Recorder.UntilAsync<Routed>(outboxes * size);

        var received = Numbers(writer).ToList();
        Assert.Equal(outboxes * size, received.Count);
        foreach (var outbox in received.GroupBy(number => number / 1000))
            Assert.Equal(Enumerable.Range(outbox.Key * 1000, size), outbox);
    }

    [Fact]
    public async Task Given_an_outbox_that_the_broker_refuses_Then_its_later_messages_stay_and_no_other_outbox_waits()
    {
        await using var host = await StartAsync(outbox: o => o.UseBusOutbox(b => b.MessageDeliveryTimeout = TimeSpan.FromSeconds(1)));
        await host.InScopeAsync(async (scope, db) =>
        {
            // The exchange of the queue is a fanout: declaring it as a topic is refused, again and again.
            var refused = await scope.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("exchange:routed?type=topic"));
            var bus = scope.GetRequiredService<IPublishEndpoint>();
            await bus.Publish(new Routed("a", 1));
            await refused.Send(new Routed("a", 2));
            await bus.Publish(new Routed("a", 3));
            await db.SaveChangesAsync();
        });
        await PublishAsync(host, 10, 5);

        await host.Recorder.UntilAsync<Routed>(6);
        await Eventually.HoldsAsync(
            async () => await host.ReadAsync(db => db.Set<OutboxMessage>().CountAsync()) == 2, "all but the refused and its successor left");
        // The refusal closes the channel that other messages may be on: they are repeated.
        Assert.Equal([1, 10, 11, 12, 13, 14], Numbers(host).Distinct().Order());

        await PublishAsync(host, 20, 1);
        await Eventually.HoldsAsync(() => Task.FromResult(Numbers(host).Contains(20)), "the next outbox was delivered");
        Assert.DoesNotContain(3, Numbers(host));
    }

    [Fact]
    public async Task Given_tables_that_were_empty_when_the_planner_last_looked_When_outboxes_are_claimed_Then_no_table_is_read_whole()
    {
        await using var host = await StartAsync(outbox: o => o.UseBusOutbox());
        await PublishAsync(host, 0, 1);
        await host.OutboxIsEmptyAsync();
        var claim = host.Commands.Texts.First(text => text.Contains("SKIP LOCKED", StringComparison.Ordinal));
        await using var connection = new NpgsqlConnection(backend.ConnectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await ExecuteAsync(connection, "VACUUM ANALYZE");

        await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
        var before = await ScansAsync(connection);
        await ExecuteAsync(connection, claim, ("p0", Array.Empty<Guid>()), ("p1", 10));
        var after = await ScansAsync(connection);

        Assert.Equal(before.Whole, after.Whole);
        Assert.True(after.ByIndex > before.ByIndex);
    }

    /// <summary>How often tables were read in the connection's transaction.</summary>
    private static async Task<(long Whole, long ByIndex)> ScansAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand("SELECT sum(seq_scan)::bigint, sum(idx_scan)::bigint FROM pg_stat_xact_user_tables", connection);
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        Assert.True(await reader.ReadAsync(TestContext.Current.CancellationToken));
        return (reader.GetInt64(0), reader.GetInt64(1));
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string text, params (string Name, object Value)[] parameters)
    {
        await using var command = new NpgsqlCommand(text, connection);
        foreach (var (name, value) in parameters)
            command.Parameters.AddWithValue(name, value);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Leaves the queue there: a broker that does not know it yet drops what comes before its consumer.</summary>
    private async Task DeployAsync() => await (await StartAsync()).DisposeAsync();

    private static IEnumerable<int> Numbers(TestHost host) =>
        host.Recorder.Snapshot().Select(received => ((Routed)received.Message).Number);

    private static Task PublishAsync(TestHost host, int first, int count) => host.InScopeAsync(async (scope, db) =>
    {
        var bus = scope.GetRequiredService<IPublishEndpoint>();
        for (var i = first; i < first + count; i++)
            await bus.Publish(new Routed("a", i));
        await db.SaveChangesAsync();
    });

    private Task<TestHost> StartAsync(Action<IEntityFrameworkOutboxConfigurator>? outbox = null, bool empty = true, bool consumes = true,
        bool brokerIsUp = true) =>
        TestHost.StartAsync(backend, outbox: outbox, empty: empty, brokerIsUp: brokerIsUp, configure: (_, bus, recorder) =>
        {
            if (consumes)
                bus.RecordRouted(backend, recorder, "routed", "a");
        });
}
