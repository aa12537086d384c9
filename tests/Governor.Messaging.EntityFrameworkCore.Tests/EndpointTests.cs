using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedEndpointTests(EmbeddedBackend backend) : EndpointTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersEndpointTests(ServersBackend backend) : EndpointTests(backend), IClassFixture<ServersBackend>;

/// <summary>The ways in which applications put an outbox on their endpoints. Every consumer fails once, after it has published.</summary>
public abstract class EndpointTests(Backend backend)
{
    [Fact]
    public async Task Given_a_callback_for_all_endpoints_Then_every_consumer_and_saga_has_inbox_and_outbox()
    {
        await using var host = await TestHost.StartAsync(backend,
            bus =>
            {
                bus.AddConsumer<FailingOnceConsumer>();
                bus.AddSagaStateMachine<OrderStateMachine, Order>().EntityFrameworkRepository(repository =>
                {
                    repository.ExistingDbContext<TestDbContext>();
                    backend.UseDatabase(repository);
                });
                bus.AddConfigureEndpointsCallback((context, _, endpoint) =>
                {
                    endpoint.UseMessageRetry(retry => retry.Immediate(5));
                    endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
                });
            },
            (context, bus, recorder) =>
            {
                bus.Record<NoteWritten>(recorder, "notes");
                backend.ConfigureEndpoints(bus, context);
            });
        await IsConsumedOnceAsync(host);

        var order = NewId.NextGuid();
        await host.Service<IBus>().Publish(new OrderPlaced(order), context => context.MessageId = order);
        await Eventually.HoldsAsync(async () => await host.ReadAsync(db => db.Orders.CountAsync(o => o.CorrelationId == order)) == 1, "the order is there");
        Assert.Equal(1, await InboxAsync(host, order));
    }

    [Fact]
    public async Task Given_a_definition_of_a_consumer_When_it_names_the_outbox_Then_that_consumer_has_it()
    {
        await using var host = await TestHost.StartAsync(backend,
            bus => bus.AddConsumer<FailingOnceConsumer, FailingOnceConsumerDefinition>(),
            (context, bus, recorder) =>
            {
                bus.Record<NoteWritten>(recorder, "notes");
                backend.ConfigureEndpoints(bus, context);
            });
        await IsConsumedOnceAsync(host);
    }

    [Fact]
    public async Task Given_two_endpoints_of_which_one_has_the_outbox_Then_the_other_publishes_at_once_and_has_no_inbox()
    {
        await using var host = await TestHost.StartAsync(backend, bus => bus.AddConsumer<FailingOnceConsumer>(), (context, bus, recorder) =>
        {
            bus.ReceiveEndpoint("without", endpoint =>
            {
                endpoint.UseMessageRetry(retry => retry.Immediate(5));
                endpoint.ConfigureConsumer<FailingOnceConsumer>(context);
            });
            bus.Record<NoteWritten>(recorder, "notes");
        });
        var text = Guid.NewGuid().ToString();
        var id = NewId.NextGuid();
        await host.Service<IBus>().Publish(new WriteNote(text), context => context.MessageId = id);
        await Eventually.HoldsAsync(() => Task.FromResult(Count(host, text) == 2), "what it published before it failed has left too");
        Assert.Equal(0, await InboxAsync(host, id));
    }

    private static async Task IsConsumedOnceAsync(TestHost host)
    {
        var text = Guid.NewGuid().ToString();
        var id = NewId.NextGuid();
        await host.Service<IBus>().Publish(new WriteNote(text), context => context.MessageId = id);
        await Eventually.HoldsAsync(() => Task.FromResult(Count(host, text) > 0), "the consumer's message arrived");
        await host.OutboxIsEmptyAsync();
        Assert.Equal(1, Count(host, text));
        Assert.Equal(1, await host.ReadAsync(db => db.Notes.CountAsync(note => note.Text == text)));
        Assert.Equal(1, await InboxAsync(host, id));
    }

    // Tests of the class share their queues: what another one left there is not meant.
    private static int Count(TestHost host, string text) =>
        host.Recorder.Snapshot().Count(received => received.Message is NoteWritten note && note.Text == text);

    private static Task<int> InboxAsync(TestHost host, Guid id) =>
        host.ReadAsync(db => db.Set<InboxState>().CountAsync(state => state.MessageId == id));

    private sealed class FailingOnceConsumer(TestDbContext db) : IConsumer<WriteNote>
    {
        public async Task Consume(ConsumeContext<WriteNote> context)
        {
            db.Add(new Note { Text = context.Message.Text });
            await context.Publish(new NoteWritten(context.Message.Text));
            if (context.GetRetryAttempt() == 0)
                throw new InvalidOperationException("This attempt was meant to fail.");
        }
    }

    private sealed class FailingOnceConsumerDefinition : ConsumerDefinition<FailingOnceConsumer>
    {
        protected override void ConfigureConsumer(IReceiveEndpointConfigurator endpointConfigurator,
            IConsumerConfigurator<FailingOnceConsumer> consumerConfigurator, IRegistrationContext context)
        {
            endpointConfigurator.UseMessageRetry(retry => retry.Immediate(5));
            endpointConfigurator.UseEntityFrameworkOutbox<TestDbContext>(context);
        }
    }
}
