using System.Transactions;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedScopeTests(EmbeddedBackend backend) : ScopeTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersScopeTests(ServersBackend backend) : ScopeTests(backend), IClassFixture<ServersBackend>
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Given_a_TransactionScope_Then_its_messages_share_its_fate_and_wait_for_the_next_look(bool completes)
    {
        await using var host = await StartAsync();
        var text = Guid.NewGuid().ToString();
        await host.InScopeAsync(async (provider, db) =>
        {
            using var scope = new TransactionScope(TransactionScopeAsyncFlowOption.Enabled);
            db.Add(new Note { Text = text });
            await provider.GetRequiredService<IPublishEndpoint>().Publish(new NoteWritten(text));
            await db.SaveChangesAsync();
            if (completes)
                scope.Complete();
        });
        await host.InScopeAsync(async (provider, db) =>
        {
            await provider.GetRequiredService<IPublishEndpoint>().Publish(new NoteWritten("last"));
            await db.SaveChangesAsync();
        });

        await host.Recorder.UntilAsync<NoteWritten>(completes ? 2 : 1);
        await host.OutboxIsEmptyAsync();
        Assert.Equal(completes ? 1 : 0, host.Recorder.Snapshot().Count(received => received.Message is NoteWritten note && note.Text == text));
        Assert.Equal(completes ? 1 : 0, await host.ReadAsync(db => db.Notes.CountAsync(note => note.Text == text)));
    }
}

/// <summary>What belongs to the scope of whoever publishes: filters and their services, requests, and the mediator.</summary>
public abstract class ScopeTests(Backend backend)
{
    [Fact]
    public async Task Given_the_mediator_of_a_scope_Then_it_publishes_at_once_in_that_scope_and_not_to_the_outbox()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, db) =>
        {
            scope.GetRequiredService<Caller>().Name = "ann";
            await scope.GetRequiredService<MassTransit.Mediator.IScopedMediator>().Publish(new NoteWritten("mediated"));
            Assert.Equal("mediated for ann", Assert.Single(await host.Recorder.UntilAsync<NoteWritten>(1)).Text);
            Assert.Equal(0, await db.Set<OutboxMessage>().CountAsync());
        });
    }

    [Fact]
    public async Task Given_filters_of_a_scope_When_messages_are_published_and_sent_Then_each_filter_sees_its_message_once_and_not_at_delivery()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, db) =>
        {
            var caller = scope.GetRequiredService<Caller>();
            caller.Name = "ann";
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new NoteWritten("published"));
            var notes = await scope.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("queue:notes"));
            await notes.Send(new NoteWritten("sent"));
            Assert.Equal((1, 1), (caller.Published, caller.Sent));
            await db.SaveChangesAsync();
            await host.Recorder.UntilAsync<NoteWritten>(2);
            Assert.Equal((1, 1), (caller.Published, caller.Sent));
        });
        Assert.Equal([("published", "publish by ann"), ("sent", "send by ann")], host.Recorder.Snapshot()
            .Select(received => (((NoteWritten)received.Message).Text, received.Context.Headers.Get<string>("caller")!)).Order());
    }

    [Fact]
    public async Task Given_filters_of_a_consumers_scope_Then_they_share_its_services_with_the_consumer_and_what_it_publishes()
    {
        await using var host = await StartAsync();
        var text = Guid.NewGuid().ToString();
        await host.Service<IBus>().Publish(new WriteNote(text), context => context.Headers.Set("caller", "bob"));
        await host.Recorder.UntilAsync<NoteWritten>(1);
        var received = Assert.Single(host.Recorder.Snapshot(), received => received.Message is NoteWritten);
        Assert.Equal("bob " + text, ((NoteWritten)received.Message).Text);
        Assert.Equal("publish by bob", received.Context.Headers.Get<string>("caller"));
    }

    [Fact]
    public async Task Given_a_consumer_that_asks_another_Then_the_request_does_not_wait_for_the_end_of_its_transaction()
    {
        await using var host = await StartAsync();
        await host.Service<IBus>().Publish(new AskRequested("why"));
        Assert.Equal("why?", Assert.Single(await host.Recorder.UntilAsync<NoteWritten>(1)).Text);
        await host.OutboxIsEmptyAsync();
    }

    protected Task<TestHost> StartAsync() => TestHost.StartAsync(backend,
        bus =>
        {
            bus.AddScoped<Caller>();
            bus.AddConsumer<CallingConsumer>();
            bus.AddConsumer<AskingConsumer>();
            bus.AddConsumer<QuestionConsumer>();
            bus.AddRequestClient<Question>(new Uri("queue:questions"), RequestTimeout.After(m: 1));
            bus.AddMediator(mediator => mediator.AddConsumer<MediatedConsumer>());
        },
        (context, bus, recorder) =>
        {
            bus.UsePublishFilter(typeof(PublishFilter<>), context);
            bus.UseSendFilter(typeof(SendFilter<>), context);
            bus.Record<NoteWritten>(recorder, "notes");
            bus.ReceiveEndpoint("callers", endpoint =>
            {
                endpoint.UseConsumeFilter(typeof(ConsumeFilter<>), context);
                endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
                endpoint.ConfigureConsumer<CallingConsumer>(context);
                endpoint.ConfigureConsumer<AskingConsumer>(context);
            });
            // Without an outbox: SQLite has one writer, and whoever asks holds its transaction.
            bus.ReceiveEndpoint("questions", endpoint => endpoint.ConfigureConsumer<QuestionConsumer>(context));
        });

    private sealed class Caller
    {
        public string? Name { get; set; }

        public int Published { get; set; }

        public int Sent { get; set; }
    }

    private sealed class PublishFilter<T>(Caller caller) : IFilter<PublishContext<T>> where T : class
    {
        public Task Send(PublishContext<T> context, IPipe<PublishContext<T>> next)
        {
            if (caller.Name is not null)
            {
                caller.Published++;
                context.Headers.Set("caller", $"publish by {caller.Name}");
            }

            return next.Send(context);
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("caller");
    }

    private sealed class SendFilter<T>(Caller caller) : IFilter<SendContext<T>> where T : class
    {
        public Task Send(SendContext<T> context, IPipe<SendContext<T>> next)
        {
            if (caller.Name is not null)
            {
                caller.Sent++;
                context.Headers.Set("caller", $"send by {caller.Name}");
            }

            return next.Send(context);
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("caller");
    }

    private sealed class ConsumeFilter<T>(Caller caller) : IFilter<ConsumeContext<T>> where T : class
    {
        public Task Send(ConsumeContext<T> context, IPipe<ConsumeContext<T>> next)
        {
            caller.Name = context.Headers.Get<string>("caller");
            return next.Send(context);
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("caller");
    }

    private sealed class CallingConsumer(Caller caller, TestDbContext db) : IConsumer<WriteNote>
    {
        public Task Consume(ConsumeContext<WriteNote> context)
        {
            db.Add(new Note { Text = context.Message.Text });
            return context.Publish(new NoteWritten($"{caller.Name} {context.Message.Text}"));
        }
    }

    private sealed class AskingConsumer(IRequestClient<Question> client) : IConsumer<AskRequested>
    {
        public async Task Consume(ConsumeContext<AskRequested> context)
        {
            var answer = await client.GetResponse<Answer>(new Question(context.Message.Text));
            await context.Publish(new NoteWritten(answer.Message.Text));
        }
    }

    private sealed class MediatedConsumer(Recorder recorder, Caller caller) : IConsumer<NoteWritten>
    {
        public Task Consume(ConsumeContext<NoteWritten> context)
        {
            recorder.Add(new Recorded("mediator", new NoteWritten($"{context.Message.Text} for {caller.Name}"), context));
            return Task.CompletedTask;
        }
    }
}

public sealed record AskRequested(string Text);
