using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Governor.Contracts;
using MassTransit;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Governor.IntegrationTests.Events;

/// <summary>One message as it came: a repeat on the wire is one more.</summary>
internal sealed record Delivered(string MessageId, string Event, JsonElement Message);

/// <summary>A service of somebody else's, which knows an AMQP client, the names of the contracts, and JSON.</summary>
internal sealed class ForeignSubscriber : IAsyncDisposable
{
    private const string Marker = "marker";

    private readonly IConnection connection;
    private readonly IChannel channel;
    private readonly string queue;
    private readonly Lock gate = new();
    private readonly List<Delivered> deliveries = [];
    private readonly HashSet<string> markers = new(StringComparer.Ordinal);
    private readonly List<string> unreadable = [];

    private ForeignSubscriber(IConnection connection, IChannel channel, string queue) =>
        (this.connection, this.channel, this.queue) = (connection, channel, queue);

    /// <summary>The public events, by the names of their exchanges: those records whose documentation promises it.</summary>
    public static IReadOnlyDictionary<string, Type> PublicEvents { get; } = FindPublicEvents();

    /// <summary>What came until now, in order.</summary>
    public IReadOnlyList<Delivered> Deliveries
    {
        get
        {
            lock (gate)
                return [.. deliveries];
        }
    }

    /// <summary>Binds a queue of its own to the exchange of every public event; it declares none of them.</summary>
    public static async Task<ForeignSubscriber> StartAsync(string rabbitMq)
    {
        var link = await new ConnectionFactory { Uri = new Uri(rabbitMq) }.CreateConnectionAsync(CancellationToken.None);
        try
        {
            var opened = await link.CreateChannelAsync(cancellationToken: CancellationToken.None);
            var own = (await opened.QueueDeclareAsync(cancellationToken: CancellationToken.None)).QueueName;
            foreach (var exchange in PublicEvents.Keys)
                await opened.QueueBindAsync(own, exchange, routingKey: "", cancellationToken: CancellationToken.None);
            var subscriber = new ForeignSubscriber(link, opened, own);
            var consumer = new AsyncEventingBasicConsumer(opened);
            consumer.ReceivedAsync += subscriber.ReceiveAsync;
            await opened.BasicConsumeAsync(own, autoAck: true, consumer, CancellationToken.None);
            return subscriber;
        }
        catch
        {
            await link.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until it has received whatever lies in its queue now.</summary>
    public async Task CatchUpAsync()
    {
        var marker = Guid.NewGuid().ToString();
        await channel.BasicPublishAsync(
            exchange: "", queue, mandatory: true, new BasicProperties { Type = Marker, MessageId = marker }, default(ReadOnlyMemory<byte>), CancellationToken.None);
        await Eventually.TrueAsync(
            () =>
            {
                lock (gate)
                    return markers.Contains(marker);
            },
            Fleet.RunningDirector.Patience, "the subscriber has caught up");
        lock (gate)
            Assert.Empty(unreadable);
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private Task ReceiveAsync(object sender, BasicDeliverEventArgs delivery)
    {
        lock (gate)
        {
            if (delivery.BasicProperties.Type == Marker)
                markers.Add(delivery.BasicProperties.MessageId!);
            else if (Read(delivery) is { } delivered)
                deliveries.Add(delivered);
            else
                unreadable.Add($"{delivery.Exchange}: {Encoding.UTF8.GetString(delivery.Body.Span)}");
        }

        return Task.CompletedTask;
    }

    /// <summary>Reads the envelope as the contracts describe it; null where it is otherwise.</summary>
    private static Delivered? Read(BasicDeliverEventArgs delivery)
    {
        using var envelope = JsonDocument.Parse(delivery.Body);
        var urn = MessageUrn.ForTypeString(PublicEvents[delivery.Exchange]);
        return envelope.RootElement.TryGetProperty("messageId", out var id) && id.TryGetGuid(out var messageId)
            && messageId.ToString() == delivery.BasicProperties.MessageId
            && envelope.RootElement.GetProperty("messageType").EnumerateArray().Any(type => type.GetString() == urn)
            ? new Delivered(messageId.ToString(), delivery.Exchange, envelope.RootElement.GetProperty("message").Clone()) : null;
    }

    private static Dictionary<string, Type> FindPublicEvents()
    {
        var contracts = typeof(RolloutStarted).Assembly;
        var promised = XDocument.Load(Path.ChangeExtension(contracts.Location, ".xml")).Descendants("member")
            .Where(member => member.Element("summary")?.Value.Contains("Public event.", StringComparison.Ordinal) == true)
            .Select(member => member.Attribute("name")!.Value).ToHashSet(StringComparer.Ordinal);
        return contracts.GetExportedTypes().Where(type => promised.Contains($"T:{type.FullName}"))
            .ToDictionary(type => type.GetCustomAttribute<EntityNameAttribute>()!.EntityName, StringComparer.Ordinal);
    }
}
