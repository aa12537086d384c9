using System.Text;
using Governor.Contracts;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;

namespace Governor.Messaging.Tests;

/// <summary>A message that became a dead letter goes back to a queue as it was.</summary>
public sealed class QueueReturnTests(RabbitMqServer server) : IClassFixture<RabbitMqServer>
{
    private readonly Inbox<DeadLettered> _deadLetters = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Given_a_dead_letter_When_it_is_returned_Then_the_queue_has_its_bytes_properties_and_headers()
    {
        await using var director = await StartDirectorAsync();
        await using var connection = await server.ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Token);
        var sent = new BasicProperties
        {
            MessageId = "no guid", ContentType = "application/x-garbage", CorrelationId = "c-1", ReplyTo = "answers", Type = "kind",
            Expiration = "3600000",
            Headers = new Dictionary<string, object?>
            {
                ["x-sender"] = "someone"u8.ToArray(), ["x-count"] = 5, ["CC"] = new List<object> { "elsewhere" },
                ["x-list"] = new List<object> { "a"u8.ToArray(), 1 },
            },
        };
        byte[] body = [0xff, 0x00, .. "{ no json"u8];
        await channel.BasicPublishAsync("", "governor-reports", mandatory: true, sent, body, Token);
        var letter = await _deadLetters.UntilAsync(m => m.MessageId == "no guid");
        await channel.QueueDeclareAsync("returned", durable: true, exclusive: false, autoDelete: false, cancellationToken: Token);

        Assert.True(await Queues(director).TrySendAsync(
            "returned", new RawMessage(Convert.FromBase64String(letter.Body!), letter.ContentType, letter.MessageId, letter.Headers), Token));

        var got = await channel.BasicGetAsync("returned", autoAck: true, Token);
        Assert.NotNull(got);
        Assert.Equal(body, got.Body.ToArray());
        var properties = got.BasicProperties;
        Assert.Equal(("no guid", "application/x-garbage"), (properties.MessageId, properties.ContentType));
        Assert.Equal(("c-1", "answers", "kind"), (properties.CorrelationId, properties.ReplyTo, properties.Type));
        Assert.False(properties.IsExpirationPresent());
        Assert.Equal(
            ["x-count=5", "x-list=[\"a\",\"1\"]", "x-sender=someone"],
            properties.Headers!.Where(h => h.Key != "x-dotnet-pub-seq-no")
                .Select(h => $"{h.Key}={Encoding.UTF8.GetString((byte[])h.Value!)}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Given_a_message_without_id_When_it_is_given_up_twice_Then_both_times_it_is_the_same_dead_letter_and_another_is_not()
    {
        await using var director = await StartDirectorAsync();
        foreach (var body in (string[])["same {", "other {", "same {"])
        {
            Assert.True(await Queues(director).TrySendAsync(
                "governor-reports", new RawMessage(Encoding.UTF8.GetBytes(body), null, null, new Dictionary<string, string>()), Token));
        }

        await Poll.UntilAsync(() => _deadLetters.Messages.Count == 3, () => $"{_deadLetters.Messages.Count} dead letters");
        Assert.Equal(2, _deadLetters.Messages.Select(m => m.DeadLetterId).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public async Task Given_headers_and_texts_that_no_broker_takes_When_a_message_is_returned_Then_they_are_left_out()
    {
        await using var director = await StartDirectorAsync();
        var tooLong = new string('x', 300);
        var headers = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["CC"] = "elsewhere", ["x-death"] = "[]", ["BCC"] = "elsewhere", [tooLong] = "value", ["RabbitMQ-ReplyTo"] = tooLong, ["kept"] = tooLong,
        };

        Assert.True(await Queues(director).TrySendAsync(
            "governor-reports", new RawMessage("a {"u8.ToArray(), tooLong, tooLong, headers), Token));

        var letter = await _deadLetters.UntilAsync(m => m.Headers.ContainsKey("kept"));
        Assert.Null(letter.MessageId);
        Assert.DoesNotContain("CC", letter.Headers.Keys);
    }

    [Fact]
    public async Task Given_a_queue_that_is_gone_When_a_message_is_returned_Then_it_says_so_and_makes_none()
    {
        await using var director = await StartDirectorAsync();
        var message = new RawMessage("{}"u8.ToArray(), null, null, new Dictionary<string, string>());

        Assert.False(await Queues(director).TrySendAsync("runtime-gone", message, Token));
        Assert.False(await Queues(director).TrySendAsync(new string('q', 256), message, Token));

        Assert.Null(await server.FindAsync("queues", "runtime-gone"));
    }

    [Fact]
    public async Task Given_a_broker_that_cannot_be_reached_When_a_message_is_returned_Then_it_says_so()
    {
        var services = new ServiceCollection();
        services.AddOptions<RabbitMqOptions>().Configure(options => options.ConnectionString = "amqp://guest:guest@127.0.0.1:1/");
        services.AddSingleton<SideConnection>().AddSingleton<RabbitMqQueueReturn>();
        await using var provider = services.BuildServiceProvider();

        await Assert.ThrowsAsync<BrokerUnavailableException>(() => provider.GetRequiredService<RabbitMqQueueReturn>().TrySendAsync(
            "any", new RawMessage("{}"u8.ToArray(), null, null, new Dictionary<string, string>()), Token));
    }

    [Fact]
    public async Task Given_a_broker_that_was_never_marked_When_it_is_marked_Then_it_stays_so_and_nothing_is_bound()
    {
        await using var own = new RabbitMqServer();
        await own.InitializeAsync();
        await using var director = await BusHost.StartAsync(own.Settings, bus => bus.OwnTopology());
        var provisioner = director.Services.GetRequiredService<IRuntimeProvisioner>();
        Assert.False(await provisioner.IsMarkedAsync(Token));

        await provisioner.MarkAsync(Token);
        await provisioner.MarkAsync(Token);

        Assert.True(await provisioner.IsMarkedAsync(Token));
        var mark = await own.FindAsync("exchanges", "governor-provisioned");
        Assert.True(mark!.Value.GetProperty("durable").GetBoolean());
    }

    private static IQueueReturn Queues(BusHost director) => director.Services.GetRequiredService<IQueueReturn>();

    private Task<BusHost> StartDirectorAsync() => BusHost.StartAsync(server.Settings, bus =>
    {
        bus.OwnTopology();
        bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, "governor-dead-letters", _deadLetters.On));
        bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, "governor-reports", new Inbox<RuntimeReported>().On));
    });
}
