using System.Text;
using System.Text.Json;
using Governor.IntegrationTests.Fleet;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Governor.IntegrationTests.Credentials;

/// <summary>A message as a plain AMQP client sees it.</summary>
/// <param name="Exchange">Where it was published.</param>
/// <param name="RoutingKey">With which routing key.</param>
/// <param name="AppId">Who says that it sent it; the tests do.</param>
/// <param name="Body">Its body.</param>
/// <param name="Properties">All its properties and headers, as text.</param>
internal sealed record WireMessage(string Exchange, string RoutingKey, string? AppId, byte[] Body, string Properties)
{
    public static WireMessage Of(string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body) =>
        new(exchange, routingKey, properties.AppId, body.ToArray(), Describe(properties));

    /// <summary>The body, which is JSON.</summary>
    public JsonElement Json() => JsonSerializer.Deserialize<JsonElement>(Body);

    private static string Describe(IReadOnlyBasicProperties p)
    {
        var lines = new List<string?>
        {
            p.AppId, p.ClusterId, p.ContentEncoding, p.ContentType, p.CorrelationId, p.Expiration, p.MessageId, p.ReplyTo, p.Type, p.UserId,
        };
        foreach (var (name, value) in p.Headers ?? new Dictionary<string, object?>(StringComparer.Ordinal))
            lines.Add($"{name}: {Text(value)}");
        return string.Join('\n', lines);
    }

    private static string Text(object? value) => value switch
    {
        byte[] bytes => Encoding.UTF8.GetString(bytes),
        IDictionary<string, object?> table => string.Join('\n', table.Select(pair => $"{pair.Key}: {Text(pair.Value)}")),
        IEnumerable<object?> list => string.Join('\n', list.Select(Text)),
        _ => $"{value}",
    };
}

/// <summary>Keeps everything that is published in a virtual host, by a queue bound to every exchange there; and looks into
/// the queues of others.</summary>
internal sealed class Tap : IAsyncDisposable
{
    private const string Marker = "marker";

    private readonly IConnection connection;
    private readonly IChannel channel;
    private readonly string queue;
    private readonly Lock gate = new();
    private readonly List<WireMessage> messages = [];
    private readonly HashSet<string> markers = new(StringComparer.Ordinal);

    private Tap(IConnection connection, IChannel channel, string queue) =>
        (this.connection, this.channel, this.queue) = (connection, channel, queue);

    /// <summary>What came until now, in order.</summary>
    public IReadOnlyList<WireMessage> Messages
    {
        get
        {
            lock (gate)
                return [.. messages];
        }
    }

    /// <summary>Binds a queue of its own to every exchange that is there, with the routing key of each runtime.</summary>
    public static async Task<Tap> StartAsync(Sandbox sandbox, params string[] runtimeIds)
    {
        var link = await new ConnectionFactory { Uri = new Uri(sandbox.RabbitMq) }.CreateConnectionAsync(CancellationToken.None);
        try
        {
            var opened = await link.CreateChannelAsync(cancellationToken: CancellationToken.None);
            var own = (await opened.QueueDeclareAsync(cancellationToken: CancellationToken.None)).QueueName;
            foreach (var exchange in await sandbox.Management.ExchangesAsync(sandbox.Name))
            {
                foreach (var key in runtimeIds.Append(""))
                    await opened.QueueBindAsync(own, exchange, key, cancellationToken: CancellationToken.None);
            }

            var tap = new Tap(link, opened, own);
            var consumer = new AsyncEventingBasicConsumer(opened);
            consumer.ReceivedAsync += tap.ReceiveAsync;
            await opened.BasicConsumeAsync(own, autoAck: true, consumer, CancellationToken.None);
            return tap;
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
        await channel.BasicPublishAsync(exchange: "", queue, mandatory: true,
            new BasicProperties { Type = Marker, MessageId = marker }, default(ReadOnlyMemory<byte>), CancellationToken.None);
        await Eventually.TrueAsync(
            () =>
            {
                lock (gate)
                    return markers.Contains(marker);
            },
            RunningDirector.Patience, "the tap has caught up");
    }

    /// <summary>What waits in the queues of a virtual host; it stays there.</summary>
    /// <returns>The messages, by the name of their queue.</returns>
    public static async Task<ILookup<string, WireMessage>> WaitingAsync(Sandbox sandbox)
    {
        await using var link = await new ConnectionFactory { Uri = new Uri(sandbox.RabbitMq) }.CreateConnectionAsync(CancellationToken.None);
        await using var opened = await link.CreateChannelAsync(cancellationToken: CancellationToken.None);
        var found = new List<(string Queue, WireMessage Message)>();
        foreach (var name in (await sandbox.Management.QueuesAsync(sandbox.Name)).Where(n => !n.StartsWith("amq.", StringComparison.Ordinal)))
        {
            ulong last = 0;
            while (await opened.BasicGetAsync(name, autoAck: false, CancellationToken.None) is { } got)
            {
                found.Add((name, WireMessage.Of(got.Exchange, got.RoutingKey, got.BasicProperties, got.Body)));
                last = got.DeliveryTag;
            }

            if (last > 0)
                await opened.BasicNackAsync(last, multiple: true, requeue: true, CancellationToken.None);
        }

        return found.ToLookup(f => f.Queue, f => f.Message, StringComparer.Ordinal);
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private Task ReceiveAsync(object sender, BasicDeliverEventArgs delivery)
    {
        lock (gate)
        {
            if (delivery.BasicProperties.Type == Marker)
                markers.Add(delivery.BasicProperties.MessageId!);
            else
                messages.Add(WireMessage.Of(delivery.Exchange, delivery.RoutingKey, delivery.BasicProperties, delivery.Body));
        }

        return Task.CompletedTask;
    }
}
