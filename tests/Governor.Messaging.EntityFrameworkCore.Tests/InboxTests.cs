using System.Collections.Concurrent;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedInboxTests(EmbeddedBackend backend) : InboxTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersInboxTests(ServersBackend backend) : InboxTests(backend), IClassFixture<ServersBackend>;

public abstract class InboxTests(Backend backend)
{
    private readonly ShiftedTimeProvider _clock = new();
    private readonly BrokerFailure _failure = new();

    [Fact]
    public async Task Given_a_message_that_was_consumed_When_it_comes_again_Then_no_consumer_runs_and_nothing_is_sent_again()
    {
        await using var host = await StartAsync();
        var (id, text) = (NewId.NextGuid(), Text());
        await PublishAsync(host, id, text);
        await host.Recorder.UntilAsync<NoteWritten>(1);
        await PublishAsync(host, id, text);
        await PublishAsync(host, id, text);

        await Eventually.HoldsAsync(async () => await ReceiptsAsync(host, id) == 3, "the message came three times");
        await PublishAsync(host, NewId.NextGuid(), Text());
        await host.Recorder.UntilAsync<NoteWritten>(2);
        await IsDeliveredAsync(host);
        Assert.Equal(1, CountingConsumer.Runs[text]);
        Assert.Single(host.Recorder.Snapshot(), r => r.Message is NoteWritten note && note.Text == text);
        Assert.DoesNotContain(host.Recorder.Snapshot(), r => r.Queue == "skipped");
    }

    [Theory]
    [InlineData(System.Data.IsolationLevel.ReadCommitted)]
    [InlineData(System.Data.IsolationLevel.RepeatableRead)]
    [InlineData(System.Data.IsolationLevel.Serializable)]
    public async Task Given_a_message_that_comes_often_at_once_Then_its_effect_is_there_once(System.Data.IsolationLevel isolation)
    {
        await using var host = await StartAsync(outbox => outbox.IsolationLevel = isolation);
        var (id, text) = (NewId.NextGuid(), Text());
        await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => PublishAsync(host, id, text)));

        await Eventually.HoldsAsync(async () => await ReceiptsAsync(host, id) == 12, "the message came twelve times");
        await IsDeliveredAsync(host);
        Assert.Single(await host.Recorder.UntilAsync<NoteWritten>(1));
        Assert.Equal(1, await host.ReadAsync(db => db.Notes.CountAsync()));
        Assert.DoesNotContain(host.Recorder.Snapshot(), r => r.Message is Fault);
    }

    [Fact]
    public async Task Given_two_consumers_of_a_message_Then_each_consumes_it_once()
    {
        await using var host = await StartAsync();
        var id = NewId.NextGuid();
        for (var i = 0; i < 3; i++)
            await host.Service<IBus>().Publish(new Twofold(), context => context.MessageId = id);

        await Eventually.HoldsAsync(async () => await host.ReadAsync(db => db.Set<InboxState>()
            .Where(state => state.MessageId == id).SumAsync(state => state.ReceiveCount)) == 6, "both consumers saw the message three times");
        await IsDeliveredAsync(host);
        Assert.Equal(["left", "right"], (await host.Recorder.UntilAsync<NoteWritten>(2)).Select(note => note.Text).Order());
        Assert.Equal(2, host.Recorder.Snapshot().Count(r => r.Message is NoteWritten));
    }

    [Fact]
    public async Task Given_a_broker_that_fails_after_the_commit_When_the_message_is_retried_Then_what_is_left_is_sent_and_the_consumer_runs_once()
    {
        await using var host = await StartAsync();
        _failure.Next = 2;
        var text = Text();
        await PublishAsync(host, NewId.NextGuid(), text);

        await host.Recorder.UntilAsync<Routed>(2);
        await host.Recorder.UntilAsync<NoteWritten>(1);
        await IsDeliveredAsync(host);
        Assert.Equal(1, CountingConsumer.Runs[text]);
        Assert.Equal([1, 2], host.Recorder.Snapshot().Select(r => r.Message).OfType<Routed>().Select(routed => routed.Number));
        Assert.Single(host.Recorder.Snapshot(), r => r.Message is NoteWritten);
    }

    [Fact]
    public async Task Given_messages_that_could_not_leave_at_all_When_the_grace_is_over_Then_the_clean_up_sends_them()
    {
        await using var host = await StartAsync();
        _failure.Next = int.MaxValue;
        var text = Text();
        await PublishAsync(host, NewId.NextGuid(), text);
        await host.Recorder.UntilAsync<Fault<WriteNote>>(1);
        Assert.Equal(1, await host.ReadAsync(db => db.Set<OutboxMessage>().CountAsync()));

        _failure.Next = 0;
        _clock.Ahead = TimeSpan.FromMinutes(5);
        Assert.Equal(text, Assert.Single(await host.Recorder.UntilAsync<NoteWritten>(1)).Text);
        await IsDeliveredAsync(host);
        Assert.Equal(1, CountingConsumer.Runs[text]);
    }

    [Fact]
    public async Task Given_the_window_of_duplicate_detection_is_over_Then_the_inbox_forgets()
    {
        await using var host = await StartAsync();
        for (var i = 0; i < 5; i++)
            await PublishAsync(host, NewId.NextGuid(), Text());
        await host.Recorder.UntilAsync<NoteWritten>(5);
        await IsDeliveredAsync(host);
        Assert.Equal(5, await host.ReadAsync(db => db.Set<InboxState>().CountAsync()));

        _clock.Ahead = TimeSpan.FromMinutes(31);
        await Eventually.HoldsAsync(async () => await host.ReadAsync(db => db.Set<InboxState>().CountAsync()) == 0, "the inbox is empty");
    }

    [Fact]
    public async Task Given_a_consumer_that_throws_When_it_is_retried_Then_it_runs_again()
    {
        await using var host = await StartAsync();
        var text = Text();
        await host.Service<IBus>().Publish(new WriteNote(text, Failures: 1));
        await host.Recorder.UntilAsync<NoteWritten>(1);
        await IsDeliveredAsync(host);
        Assert.Equal(2, CountingConsumer.Runs[text]);
    }

    private static string Text() => $"note {Guid.NewGuid():N}";

    private static Task PublishAsync(TestHost host, Guid id, string text) =>
        host.Service<IBus>().Publish(new WriteNote(text), context => context.MessageId = id);

    private static Task<int> ReceiptsAsync(TestHost host, Guid id) => host.ReadAsync(db =>
        db.Set<InboxState>().Where(state => state.MessageId == id).Select(state => state.ReceiveCount).SingleOrDefaultAsync());

    private static Task IsDeliveredAsync(TestHost host) => Eventually.HoldsAsync(
        async () => await host.ReadAsync(db => db.Set<InboxState>().AllAsync(state => state.Delivered != null))
            && await host.ReadAsync(db => db.Set<OutboxMessage>().CountAsync()) == 0, "everything is marked as delivered, and no message is left");

    private async Task<TestHost> StartAsync(Action<IEntityFrameworkOutboxConfigurator>? outbox = null)
    {
        var host = await TestHost.StartAsync(backend,
            bus =>
            {
                bus.AddSingleton<TimeProvider>(_clock);
                bus.AddConsumer<CountingConsumer>();
                bus.AddConsumer<LeftConsumer>();
                bus.AddConsumer<RightConsumer>();
            },
            (context, bus, recorder) =>
            {
                bus.ReceiveEndpoint("writers", endpoint =>
                {
                    endpoint.ConcurrentMessageLimit = 8;
                    endpoint.UseMessageRetry(retry => retry.Immediate(3));
                    endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
                    endpoint.ConfigureConsumer<CountingConsumer>(context);
                    endpoint.ConfigureConsumer<LeftConsumer>(context);
                    endpoint.ConfigureConsumer<RightConsumer>(context);
                });
                bus.RecordRouted(backend, recorder, "routed", "a");
                bus.Record<NoteWritten>(recorder, "notes");
                bus.Record<Fault<WriteNote>>(recorder, "faults");
                bus.ReceiveEndpoint("skipped", endpoint =>
                {
                    endpoint.ConfigureConsumeTopology = false;
                    endpoint.Handler<WriteNote>(message =>
                    {
                        recorder.Add(new Recorded("skipped", message.Message, message));
                        return Task.CompletedTask;
                    });
                });
            },
            outbox);
        host.Service<IBus>().ConnectSendObserver(_failure);
        return host;
    }

    /// <summary>Refuses messages on their way to the queue of notes.</summary>
    private sealed class BrokerFailure : ISendObserver
    {
        private int _next;

        public int Next
        {
            set => Volatile.Write(ref _next, value);
        }

        public Task PreSend<T>(SendContext<T> context) where T : class =>
            context.DestinationAddress?.AbsolutePath.EndsWith("/notes", StringComparison.Ordinal) == true && Interlocked.Decrement(ref _next) >= 0
                ? throw new InvalidOperationException("The broker was meant to fail.")
                : Task.CompletedTask;

        public Task PostSend<T>(SendContext<T> context) where T : class => Task.CompletedTask;

        public Task SendFault<T>(SendContext<T> context, Exception exception) where T : class => Task.CompletedTask;
    }
}

public sealed record Twofold;

/// <summary>The time of the system, some way ahead.</summary>
public sealed class ShiftedTimeProvider : TimeProvider
{
    public TimeSpan Ahead { get; set; }

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;
}

internal sealed class CountingConsumer(TestDbContext db) : IConsumer<WriteNote>
{
    public static ConcurrentDictionary<string, int> Runs { get; } = new();

    public async Task Consume(ConsumeContext<WriteNote> context)
    {
        var run = Runs.AddOrUpdate(context.Message.Text, 1, (_, runs) => runs + 1);
        db.Add(new Note { Text = context.Message.Text });
        await context.Publish(new Routed("a", 1));
        await context.Publish(new Routed("a", 2));
        var notes = await context.GetSendEndpoint(new Uri("queue:notes"));
        await notes.Send(new NoteWritten(context.Message.Text));
        if (run <= context.Message.Failures)
            throw new InvalidOperationException("This attempt was meant to fail.");
    }
}

internal sealed class LeftConsumer : IConsumer<Twofold>
{
    public Task Consume(ConsumeContext<Twofold> context) => context.Publish(new NoteWritten("left"));
}

internal sealed class RightConsumer : IConsumer<Twofold>
{
    public Task Consume(ConsumeContext<Twofold> context) => context.Publish(new NoteWritten("right"));
}
