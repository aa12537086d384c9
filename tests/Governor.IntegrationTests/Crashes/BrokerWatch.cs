using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Governor.IntegrationTests.Crashes;

/// <summary>Sees everything that is published in a virtual host, by a queue bound to every exchange there.</summary>
internal sealed class BrokerWatch : IAsyncDisposable
{
    private readonly IConnection connection;
    private readonly ConcurrentQueue<(string Exchange, string? MessageId)> seen = new();

    private BrokerWatch(IConnection connection) => this.connection = connection;

    /// <summary>The exchanges that something was published to since the watch began, one entry for each message.</summary>
    public IReadOnlyList<string> Exchanges => [.. seen.Select(s => s.Exchange)];

    /// <summary>The ids of the messages that were published to an exchange.</summary>
    public IReadOnlyList<string?> MessageIds(string exchange) => [.. seen.Where(s => s.Exchange == exchange).Select(s => s.MessageId)];

    public static async Task<BrokerWatch> StartAsync(Sandbox sandbox, IEnumerable<string> runtimeIds)
    {
        var factory = new ConnectionFactory { Uri = new Uri(sandbox.RabbitMq) };
        var watch = new BrokerWatch(await factory.CreateConnectionAsync(CancellationToken.None));
        var channel = await watch.connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
        var queue = (await channel.QueueDeclareAsync(cancellationToken: CancellationToken.None)).QueueName;
        foreach (var exchange in await sandbox.Management.ExchangesAsync(sandbox.Name))
        {
            foreach (var key in runtimeIds.Append(""))
                await channel.QueueBindAsync(queue, exchange, key, cancellationToken: CancellationToken.None);
        }

        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, message) =>
        {
            watch.seen.Enqueue((message.Exchange, message.BasicProperties.MessageId));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer, CancellationToken.None);
        return watch;
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
