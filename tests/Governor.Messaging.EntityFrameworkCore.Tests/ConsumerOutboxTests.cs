using System.Collections.Concurrent;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedConsumerOutboxTests(EmbeddedBackend backend) : ConsumerOutboxTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersConsumerOutboxTests(ServersBackend backend) : ConsumerOutboxTests(backend), IClassFixture<ServersBackend>;

public abstract class ConsumerOutboxTests(Backend backend)
{
    [Fact]
    public async Task Given_a_consumer_When_it_succeeds_Then_its_row_and_its_messages_are_there_once()
    {
        await using var host = await StartAsync();
        await host.Service<IBus>().Publish(new WriteNote("first"));

        var routed = await host.Recorder.UntilAsync<Routed>(2);
        Assert.Equal([1, 2], routed.Select(message => message.Number));
        Assert.Equal("first", Assert.Single(await host.Recorder.UntilAsync<NoteWritten>(1)).Text);
        Assert.Equal(1, await host.ReadAsync(db => db.Notes.CountAsync()));
        await host.OutboxIsEmptyAsync();
    }

    [Fact]
    public async Task Given_a_consumer_When_it_publishes_Then_the_messages_continue_its_conversation()
    {
        await using var host = await StartAsync();
        var conversation = NewId.NextGuid();
        await host.Service<IBus>().Publish(new WriteNote("first"), context => context.ConversationId = conversation);
        await host.Recorder.UntilAsync<Routed>(2);
        Assert.All(host.Recorder.Snapshot(), received => Assert.Equal(conversation, received.Context.ConversationId));
    }

    [Fact]
    public async Task Given_a_consumer_that_throws_Then_nothing_is_written_and_nothing_but_the_fault_is_sent()
    {
        await using var host = await StartAsync();
        await host.Service<IBus>().Publish(new WriteNote("doomed", Failures: int.MaxValue));
        await host.Recorder.UntilAsync<Fault<WriteNote>>(1);
        await host.Service<IBus>().Publish(new WriteNote("fine"));

        await host.Recorder.UntilAsync<Routed>(2);
        await host.OutboxIsEmptyAsync();
        Assert.Equal(["fine"], await host.ReadAsync(db => db.Notes.Select(note => note.Text).ToListAsync()));
        Assert.Equal(["fine"], (await host.Recorder.UntilAsync<NoteWritten>(1)).Select(message => message.Text));
    }

    [Fact]
    public async Task Given_a_consumer_that_fails_twice_When_it_is_retried_Then_every_attempt_starts_clean()
    {
        await using var host = await StartAsync();
        var text = $"again {Guid.NewGuid():N}";
        await host.Service<IBus>().Publish(new WriteNote(text, Failures: 2));

        await host.Recorder.UntilAsync<NoteWritten>(1);
        await host.OutboxIsEmptyAsync();
        await host.Recorder.UntilAsync<Routed>(2); // the outbox is empty once they are sent, not once they have arrived
        Assert.Equal(2, host.Recorder.Snapshot().Count(r => r.Message is Routed));
        Assert.Equal(1, await host.ReadAsync(db => db.Notes.CountAsync()));
        var contexts = WriteNoteConsumer.Contexts[text];
        Assert.Equal(3, contexts.Distinct().Count());
    }

    [Fact]
    public async Task Given_a_consumer_with_many_messages_Then_one_command_writes_them_beside_the_row_of_the_inbox()
    {
        await using var host = await StartAsync();
        host.Commands.Clear();
        await host.Service<IBus>().Publish(new ManyRequested(300));
        await host.Recorder.UntilAsync<Routed>(300);
        Assert.Equal(2, host.Commands.Inserts);
    }

    [Fact]
    public async Task Given_a_request_When_the_consumer_responds_Then_the_answer_leaves_through_the_outbox()
    {
        await using var host = await StartAsync();
        var client = host.Service<IBus>().CreateRequestClient<Question>(RequestTimeout.After(s: 20));
        var answer = await client.GetResponse<Answer>(new Question("why"));
        Assert.Equal("why?", answer.Message.Text);
    }

    [Fact]
    public async Task Given_a_message_without_an_id_Then_the_consumer_outbox_works()
    {
        await using var host = await StartAsync();
        await host.Service<IBus>().Publish(new WriteNote("anonymous"), context => context.MessageId = null);
        await host.Recorder.UntilAsync<NoteWritten>(1);
    }

    [Fact]
    public async Task Given_a_batch_consumer_beside_the_outbox_Then_it_works_as_ever()
    {
        await using var host = await StartAsync();
        for (var i = 0; i < 20; i++)
            await host.Service<IBus>().Publish(new Reported(i));
        Assert.Equal(20, (await host.Recorder.UntilAsync<Reported>(20)).Count);
    }

    private Task<TestHost> StartAsync() => TestHost.StartAsync(backend,
        bus =>
        {
            bus.AddConsumer<WriteNoteConsumer>();
            bus.AddConsumer<ManyConsumer>();
            bus.AddConsumer<QuestionConsumer>();
            bus.AddConsumer<ReportConsumer>(consumer => consumer.Options<BatchOptions>(o => o.SetMessageLimit(10).SetTimeLimit(ms: 10)));
        },
        (context, bus, recorder) =>
        {
            bus.ReceiveEndpoint("writers", endpoint =>
            {
                endpoint.UseMessageRetry(retry => retry.Immediate(2));
                endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
                endpoint.ConfigureConsumer<WriteNoteConsumer>(context);
                endpoint.ConfigureConsumer<ManyConsumer>(context);
                endpoint.ConfigureConsumer<QuestionConsumer>(context);
            });
            bus.ReceiveEndpoint("reports", endpoint =>
            {
                endpoint.PrefetchCount = 20;
                endpoint.ConfigureConsumer<ReportConsumer>(context);
            });
            bus.RecordRouted(backend, recorder, "routed", "a");
            bus.Record<NoteWritten>(recorder, "notes");
            bus.Record<Fault<WriteNote>>(recorder, "faults");
        });
}

public sealed record ManyRequested(int Count);

public sealed record Question(string Text);

public sealed record Answer(string Text);

public sealed record Reported(int Number);

internal sealed class WriteNoteConsumer(TestDbContext db, IPublishEndpoint scoped) : IConsumer<WriteNote>
{
    /// <summary>The DbContext of every attempt, by text.</summary>
    public static ConcurrentDictionary<string, ConcurrentBag<Guid>> Contexts { get; } = new();

    public async Task Consume(ConsumeContext<WriteNote> context)
    {
        var attempts = Contexts.GetOrAdd(context.Message.Text, _ => []);
        attempts.Add(db.ContextId.InstanceId);
        db.Add(new Note { Text = context.Message.Text });
        await context.Publish(new Routed("a", 1));
        await scoped.Publish(new Routed("a", 2));
        var notes = await context.GetSendEndpoint(new Uri("queue:notes"));
        await notes.Send(new NoteWritten(context.Message.Text));
        if (context.Message.Failures == int.MaxValue)
            await db.SaveChangesAsync();
        if (attempts.Count <= context.Message.Failures)
            throw new InvalidOperationException("This attempt was meant to fail.");
    }
}

internal sealed class ManyConsumer : IConsumer<ManyRequested>
{
    public Task Consume(ConsumeContext<ManyRequested> context) =>
        Task.WhenAll(Enumerable.Range(0, context.Message.Count).Select(i => context.Publish(new Routed("a", i))));
}

internal sealed class QuestionConsumer : IConsumer<Question>
{
    public Task Consume(ConsumeContext<Question> context) => context.RespondAsync(new Answer(context.Message.Text + "?"));
}

internal sealed class ReportConsumer(Recorder recorder) : IConsumer<Batch<Reported>>
{
    public Task Consume(ConsumeContext<Batch<Reported>> context)
    {
        foreach (var item in context.Message)
            recorder.Add(new Recorded("reports", item.Message, item));
        return Task.CompletedTask;
    }
}
