using System.Text;
using Governor.Contracts;
using MassTransit;
using MassTransit.Serialization;

namespace Governor.Messaging.Tests;

public sealed class InMemoryBusTests
{
    private const string Reports = "governor-reports";

    private readonly Inbox<DeadLettered> _deadLetters = new();

    [Fact]
    public async Task Given_two_runtimes_When_a_message_for_one_is_published_Then_only_its_endpoint_receives_it()
    {
        var (a, b) = (new Inbox<ConfigurationUpdated>(), new Inbox<ConfigurationUpdated>());
        await using var host = await BusHost.StartInMemoryAsync(bus =>
        {
            bus.OwnTopology();
            bus.Endpoints((context, cfg) => cfg.RuntimeEndpoint(context, "a", a.On));
            bus.Endpoints((context, cfg) => cfg.RuntimeEndpoint(context, "b", b.On));
        });

        await host.Bus.Publish(Samples.Update("a", 1));
        await host.Bus.Publish(Samples.Update("nobody", 2));
        await host.Bus.Publish(Samples.Update("b", 3));

        await b.UntilAsync(m => m.Generation == 3);
        await a.UntilAsync(m => m.Generation == 1);
        Assert.Single(a.Messages);
        Assert.Single(b.Messages);
    }

    [Fact]
    public async Task Given_a_runtime_endpoint_When_any_kind_of_message_is_published_for_it_Then_it_arrives()
    {
        var (updates, rotations, requests) = (new Inbox<ConfigurationUpdated>(), new Inbox<CredentialRotated>(), new Inbox<ReportRequested>());
        await using var host = await BusHost.StartInMemoryAsync(bus =>
        {
            bus.OwnTopology();
            bus.Endpoints((context, cfg) => cfg.RuntimeEndpoint(context, "a", endpoint =>
            {
                updates.On(endpoint);
                rotations.On(endpoint);
                requests.On(endpoint);
            }));
        });

        await host.Bus.Publish(Samples.Update("a"));
        await host.Bus.Publish(new CredentialRotated("a", 2, Samples.Nothing));
        await host.Bus.Publish(new ReportRequested("a", 3));

        await updates.UntilAsync(m => m.RuntimeId == "a");
        await rotations.UntilAsync(m => m.Generation == 2);
        await requests.UntilAsync(m => m.Epoch == 3);
    }

    [Fact]
    public async Task Given_a_consumer_of_the_Director_that_always_throws_When_a_message_comes_Then_it_is_retried_and_becomes_one_dead_letter()
    {
        var attempts = 0;
        await using var host = await StartDirectorAsync(endpoint => endpoint.Handler<RuntimeReported>(context =>
        {
            if (context.Message.RuntimeId == "bad")
                Interlocked.Increment(ref attempts);
            throw new InvalidOperationException($"no room for {context.Message.RuntimeId}");
        }));

        await host.Bus.Publish(Samples.Report("bad"));
        await host.Bus.Publish(Samples.Report("last"));

        await _deadLetters.UntilAsync(m => m.Reason == "no room for last");
        var deadLetter = Assert.Single(_deadLetters.Messages, m => m.Reason == "no room for bad");
        Assert.Equal(6, attempts);
        Assert.Equal(Reports, deadLetter.Source);
        Assert.Equal("System.InvalidOperationException", deadLetter.ExceptionType);
        Assert.Contains("\"bad\"", Encoding.UTF8.GetString(Convert.FromBase64String(deadLetter.Body!)), StringComparison.Ordinal);
        Assert.NotNull(deadLetter.MessageId);
        Assert.Equal("application/vnd.masstransit+json", deadLetter.ContentType);
    }

    [Fact]
    public async Task Given_a_transient_fault_When_the_message_is_retried_Then_there_is_no_dead_letter()
    {
        var attempts = 0;
        await using var host = await StartDirectorAsync(endpoint => endpoint.Handler<RuntimeReported>(_ =>
            Interlocked.Increment(ref attempts) < 3 ? throw new TimeoutException() : Task.CompletedTask));

        await host.Bus.Publish(Samples.Report("a"));

        await Poll.UntilAsync(() => attempts == 3, () => $"{attempts} attempts");
        Assert.Empty(_deadLetters.Messages);
    }

    [Fact]
    public async Task Given_a_runtime_endpoint_When_its_consumer_throws_Then_one_dead_letter_names_its_queue()
    {
        var attempts = 0;
        await using var host = await BusHost.StartInMemoryAsync(bus =>
        {
            bus.OwnTopology();
            bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, "governor-dead-letters", _deadLetters.On));
            bus.Endpoints((context, cfg) => cfg.RuntimeEndpoint(context, "a", endpoint => endpoint.Handler<ConfigurationUpdated>(_ =>
            {
                Interlocked.Increment(ref attempts);
                throw new IOException("disk full");
            })));
        });

        await host.Bus.Publish(Samples.Update("a"));

        var deadLetter = await _deadLetters.UntilAsync(m => m.Reason == "disk full");
        Assert.Equal("runtime-a", deadLetter.Source);
        Assert.Equal(1, attempts);
    }

    [Fact]
    public async Task Given_a_batch_consumer_that_throws_When_messages_come_Then_each_becomes_one_dead_letter()
    {
        var (whole, attempts) = (false, 0);
        await using var host = await StartDirectorAsync(endpoint =>
        {
            endpoint.ConcurrentMessageLimit = null;
            endpoint.Batch<RuntimeReported>(batch =>
            {
                (batch.MessageLimit, batch.TimeLimit) = (3, TimeSpan.FromSeconds(5)); // The three make it whole, also on a busy machine.
                batch.Consumer(() => new BatchConsumer(reports =>
                {
                    Interlocked.Increment(ref attempts);
                    whole |= reports.Length == 3;
                    throw new TimeoutException("database is away");
                }));
            });
        });

        await Task.WhenAll(Enumerable.Range(1, 3).Select(number => host.Bus.Publish(Samples.Report("a", number))));

        for (var number = 1; number <= 3; number++)
            await _deadLetters.UntilAsync(m => BodyOf(m).Contains($"\"number\":{number},", StringComparison.Ordinal));
        Assert.Equal(3, _deadLetters.Messages.Count);
        Assert.True(whole);
        Assert.True(attempts >= 6, $"{attempts} attempts");
    }

    [Fact]
    public async Task Given_a_message_of_the_wrong_shape_When_it_comes_Then_it_becomes_one_dead_letter_with_the_reason()
    {
        await using var host = await StartDirectorAsync(new Inbox<RuntimeReported>().On);
        var queue = await host.Bus.GetSendEndpoint(new Uri($"queue:{Reports}"));

        await queue.Send(new MalformedReport("first", "not a number"));
        await queue.Send(new MalformedReport("last", "not a number"));

        await _deadLetters.UntilAsync(m => BodyOf(m).Contains("\"last\"", StringComparison.Ordinal));
        var deadLetter = Assert.Single(_deadLetters.Messages, m => BodyOf(m).Contains("\"first\"", StringComparison.Ordinal));
        Assert.Contains("$.epoch", deadLetter.Reason, StringComparison.Ordinal);
        Assert.NotNull(deadLetter.ExceptionType);
    }

    [Fact]
    public async Task Given_a_message_that_nobody_consumes_When_it_comes_Then_it_becomes_one_dead_letter()
    {
        await using var host = await StartDirectorAsync(new Inbox<RuntimeReported>().On);
        var queue = await host.Bus.GetSendEndpoint(new Uri($"queue:{Reports}"));

        await queue.Send(new DispatchNext(Guid.Empty));
        await queue.Send(new RolloutDue(Guid.Empty));

        await _deadLetters.UntilAsync(m => BodyOf(m).Contains("governor:rollout-due", StringComparison.Ordinal));
        var deadLetter = Assert.Single(_deadLetters.Messages, m => BodyOf(m).Contains("governor:dispatch-next", StringComparison.Ordinal));
        Assert.Null(deadLetter.ExceptionType);
        Assert.Equal(Reports, deadLetter.Source);
    }

    [Fact]
    public async Task Given_one_message_that_is_given_up_twice_When_it_becomes_a_dead_letter_again_Then_the_id_is_the_same()
    {
        await using var host = await StartDirectorAsync(new Inbox<RuntimeReported>().On);
        var queue = await host.Bus.GetSendEndpoint(new Uri($"queue:{Reports}"));
        var messageId = NewId.NextGuid();

        // Without an envelope, which would hold the time of sending.
        void AsItIs(SendContext<DispatchNext> context) => (context.MessageId, context.Serializer) = (messageId, new SystemTextJsonRawMessageSerializer());
        await queue.Send(new DispatchNext(Guid.Empty), AsItIs);
        await queue.Send(new DispatchNext(Guid.Empty), AsItIs);

        await Poll.UntilAsync(() => _deadLetters.Messages.Count == 2, () => $"{_deadLetters.Messages.Count} dead letters");
        Assert.Equal(_deadLetters.Messages[0].DeadLetterId, _deadLetters.Messages[1].DeadLetterId);
        Assert.Equal(messageId.ToString(), _deadLetters.Messages[0].MessageId);
    }

    private Task<BusHost> StartDirectorAsync(Action<IReceiveEndpointConfigurator> configure) => BusHost.StartInMemoryAsync(bus =>
    {
        bus.OwnTopology();
        bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, "governor-dead-letters", _deadLetters.On));
        bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, Reports, endpoint =>
        {
            endpoint.ConcurrentMessageLimit = 1; // so that what the first message leaves behind is there when the last is done
            configure(endpoint);
        }));
    });

    private static string BodyOf(DeadLettered deadLetter) => Encoding.UTF8.GetString(Convert.FromBase64String(deadLetter.Body!));

    private sealed class BatchConsumer(Action<Batch<RuntimeReported>> handle) : IConsumer<Batch<RuntimeReported>>
    {
        public Task Consume(ConsumeContext<Batch<RuntimeReported>> context)
        {
            handle(context.Message);
            return Task.CompletedTask;
        }
    }
}
