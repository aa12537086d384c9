using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedBusOutboxTests(EmbeddedBackend backend) : BusOutboxTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersBusOutboxTests(ServersBackend backend) : BusOutboxTests(backend), IClassFixture<ServersBackend>;

public abstract class BusOutboxTests(Backend backend)
{
    [Fact]
    public async Task Given_a_transaction_When_it_is_rolled_back_Then_nothing_is_written_or_sent()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, db) =>
        {
            await using var transaction = await db.Database.BeginTransactionAsync();
            db.Add(new Note { Text = "lost" });
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Routed("a", 1));
            await db.SaveChangesAsync();
            await transaction.RollbackAsync();
        });
        await PublishAsync(host, new Routed("a", 2));

        var received = await host.Recorder.UntilAsync<Routed>(1);
        Assert.Equal([2], received.Select(message => message.Number));
        Assert.Equal(0, await host.ReadAsync(db => db.Notes.CountAsync()));
        await host.OutboxIsEmptyAsync();
    }

    [Fact]
    public async Task Given_a_transaction_When_it_commits_Then_its_messages_arrive_in_order_at_the_queues_of_their_routing_keys()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, db) =>
        {
            var bus = scope.GetRequiredService<IPublishEndpoint>();
            await using var transaction = await db.Database.BeginTransactionAsync();
            db.Add(new Note { Text = "kept" });
            for (var i = 0; i < 200; i++)
                await bus.Publish(new Routed(i % 2 == 0 ? "a" : "b", i));
            await db.SaveChangesAsync();
            Assert.Empty(host.Recorder.Snapshot());
            await transaction.CommitAsync();
        });

        await host.Recorder.UntilAsync<Routed>(200);
        Assert.Equal(Enumerable.Range(0, 100).Select(i => 2 * i), Numbers(host, "queue-a"));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => (2 * i) + 1), Numbers(host, "queue-b"));
        await host.OutboxIsEmptyAsync();
    }

    [Fact]
    public async Task Given_nothing_but_messages_When_saved_Then_they_are_sent()
    {
        await using var host = await StartAsync();
        await PublishAsync(host, new Routed("b", 7));
        await host.Recorder.UntilAsync<Routed>(1);
        Assert.Equal([7], Numbers(host, "queue-b"));
    }

    [Fact]
    public async Task Given_messages_When_saved_synchronously_Then_they_are_sent()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, db) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Routed("b", 7));
            db.SaveChanges();
        });
        await host.Recorder.UntilAsync<Routed>(1);
    }

    [Fact]
    public async Task Given_no_SaveChanges_Then_nothing_is_sent()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync((scope, _) => scope.GetRequiredService<IPublishEndpoint>().Publish(new Routed("a", 1)));
        await PublishAsync(host, new Routed("a", 2));
        var received = await host.Recorder.UntilAsync<Routed>(1);
        Assert.Equal([2], received.Select(message => message.Number));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Given_a_SaveChanges_that_fails_When_it_is_repeated_Then_its_messages_are_sent_once(bool explicitTransaction)
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (_, db) =>
        {
            db.Add(new Note { Text = "taken" });
            await db.SaveChangesAsync();
        });

        await host.InScopeAsync(async (scope, db) =>
        {
            await using var transaction = explicitTransaction ? await db.Database.BeginTransactionAsync() : null;
            var duplicate = new Note { Text = "taken" };
            db.Add(duplicate);
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Routed("a", 1));
            await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
            db.Entry(duplicate).State = EntityState.Detached;
            await db.SaveChangesAsync();
            if (transaction is not null)
                await transaction.CommitAsync();
        });
        await PublishAsync(host, new Routed("a", 2));

        await host.Recorder.UntilAsync<Routed>(2);
        await host.OutboxIsEmptyAsync();
        Assert.Equal([1, 2], Numbers(host, "queue-a").Order());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Given_a_transaction_that_was_rolled_back_When_the_scope_begins_another_on_the_same_connection_Then_its_messages_are_sent(bool fails)
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (_, db) =>
        {
            db.Add(new Note { Text = "taken" });
            await db.SaveChangesAsync();
        });
        await host.InScopeAsync(async (scope, db) =>
        {
            // Database drivers use their transaction objects again: it is not the object that tells transactions apart.
            await db.Database.OpenConnectionAsync();
            var bus = scope.GetRequiredService<IPublishEndpoint>();
            await bus.Publish(new Routed("a", 1));
            if (fails)
            {
                var duplicate = db.Add(new Note { Text = "taken" });
                await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
                duplicate.State = EntityState.Detached;
            }
            else
            {
                await using var lost = await db.Database.BeginTransactionAsync();
                await db.SaveChangesAsync();
            }

            await bus.Publish(new Routed("a", 2));
            await db.SaveChangesAsync();
            await using var transaction = await db.Database.BeginTransactionAsync();
            await bus.Publish(new Routed("a", 3));
            await db.SaveChangesAsync();
            await transaction.CommitAsync();
        });
        await host.Recorder.UntilAsync<Routed>(fails ? 3 : 2);
        await host.OutboxIsEmptyAsync();
        Assert.Equal(fails ? [1, 2, 3] : [2, 3], Numbers(host, "queue-a").Order());
    }

    [Fact]
    public async Task Given_500_messages_in_a_transaction_When_saved_Then_one_command_writes_them()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, db) =>
        {
            var bus = scope.GetRequiredService<IPublishEndpoint>();
            for (var i = 0; i < 500; i++)
                await bus.Publish(new Routed("a", i));
            host.Commands.Clear();
            await db.SaveChangesAsync();
            Assert.Equal(1, host.Commands.Inserts);
        });
        await host.Recorder.UntilAsync<Routed>(500);
        Assert.Equal(Enumerable.Range(0, 500), Numbers(host, "queue-a"));
    }

    [Fact]
    public async Task Given_two_SaveChanges_in_a_transaction_When_it_commits_Then_their_messages_share_an_outbox()
    {
        await using var host = await StartAsync(outbox => outbox.UseBusOutbox(o => o.DisableDeliveryService()));
        await host.InScopeAsync(async (scope, db) =>
        {
            var bus = scope.GetRequiredService<IPublishEndpoint>();
            await using var transaction = await db.Database.BeginTransactionAsync();
            await bus.Publish(new Routed("a", 1));
            await db.SaveChangesAsync();
            await bus.Publish(new Routed("a", 2));
            await db.SaveChangesAsync();
            await transaction.CommitAsync();
        });
        Assert.Equal(1, await host.ReadAsync(db => db.Set<OutboxState>().CountAsync()));
        Assert.Equal(2, await host.ReadAsync(db => db.Set<OutboxMessage>().CountAsync()));
    }

    [Fact]
    public async Task Given_headers_ids_addresses_and_expiration_When_sent_through_the_outbox_Then_they_survive()
    {
        await using var host = await StartAsync();
        var (messageId, requestId, correlationId, conversationId, initiatorId) =
            (NewId.NextGuid(), NewId.NextGuid(), NewId.NextGuid(), NewId.NextGuid(), NewId.NextGuid());
        var fault = new Uri(host.Service<IBus>().Address, "faults");
        await host.InScopeAsync(async (scope, db) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Routed("a", 1), context =>
            {
                context.MessageId = messageId;
                context.RequestId = requestId;
                context.CorrelationId = correlationId;
                context.ConversationId = conversationId;
                context.InitiatorId = initiatorId;
                context.ResponseAddress = fault;
                context.FaultAddress = fault;
                context.TimeToLive = TimeSpan.FromMinutes(5);
                context.Headers.Set("text", "grüße");
                context.Headers.Set("number", 42);
            });
            await db.SaveChangesAsync();
        });
        await host.Recorder.UntilAsync<Routed>(1);
        var context = Assert.Single(host.Recorder.Snapshot()).Context;
        Assert.Equal(messageId, context.MessageId);
        Assert.Equal(requestId, context.RequestId);
        Assert.Equal(correlationId, context.CorrelationId);
        Assert.Equal(conversationId, context.ConversationId);
        Assert.Equal(initiatorId, context.InitiatorId);
        Assert.Equal(fault, context.ResponseAddress);
        Assert.Equal(fault, context.FaultAddress);
        Assert.NotNull(context.ExpirationTime);
        Assert.Equal("grüße", context.Headers.Get<string>("text"));
        Assert.Equal(42, context.Headers.Get<int>("number"));
        Assert.Equal("application/vnd.masstransit+json", context.ReceiveContext.ContentType.MediaType);
        Assert.Contains("Routed", Assert.Single(context.SupportedMessageTypes), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_a_message_that_has_expired_When_delivered_Then_it_is_dropped()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, db) =>
        {
            var bus = scope.GetRequiredService<IPublishEndpoint>();
            await bus.Publish(new Routed("a", 1), context => context.TimeToLive = TimeSpan.FromTicks(1));
            await bus.Publish(new Routed("a", 2));
            await db.SaveChangesAsync();
        });
        await host.OutboxIsEmptyAsync();
        var received = await host.Recorder.UntilAsync<Routed>(1);
        Assert.Equal([2], received.Select(message => message.Number));
    }

    [Fact]
    public async Task Given_a_send_to_a_queue_When_saved_Then_it_arrives()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, db) =>
        {
            var endpoint = await scope.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("queue:notes"));
            await endpoint.Send(new NoteWritten("hello"));
            Assert.Empty(host.Recorder.Snapshot());
            await db.SaveChangesAsync();
        });
        Assert.Equal("hello", Assert.Single(await host.Recorder.UntilAsync<NoteWritten>(1)).Text);
    }

    [Fact]
    public async Task Given_a_host_When_it_stops_and_another_starts_Then_what_was_left_is_delivered()
    {
        await using (var first = await StartAsync(outbox => outbox.UseBusOutbox(o => o.DisableDeliveryService())))
            await PublishAsync(first, new Routed("a", 1));
        await using var second = await StartAsync(empty: false);
        await second.Recorder.UntilAsync<Routed>(1);
        await second.OutboxIsEmptyAsync();
    }

    private static IEnumerable<int> Numbers(TestHost host, string queue) =>
        host.Recorder.Snapshot().Where(r => r.Queue == queue).Select(r => ((Routed)r.Message).Number);

    private static Task PublishAsync(TestHost host, Routed message) => host.InScopeAsync(async (scope, db) =>
    {
        await scope.GetRequiredService<IPublishEndpoint>().Publish(message);
        await db.SaveChangesAsync();
    });

    private Task<TestHost> StartAsync(Action<IEntityFrameworkOutboxConfigurator>? outbox = null, bool empty = true) =>
        TestHost.StartAsync(backend, outbox: outbox, empty: empty, configure: (_, bus, recorder) =>
        {
            bus.RecordRouted(backend, recorder, "queue-a", "a");
            bus.RecordRouted(backend, recorder, "queue-b", "b");
            bus.Record<NoteWritten>(recorder, "notes");
        });
}
