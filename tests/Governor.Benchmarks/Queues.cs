using RabbitMQ.Client;

namespace Governor.Benchmarks;

internal static class Queues
{
    /// <summary>Empties a queue, so that its length is the same for every run; makes it, as MassTransit would, if it is not there.</summary>
    public static async Task PurgeAsync(Servers servers, string queue, CancellationToken cancellationToken)
    {
        var factory = new ConnectionFactory
        {
            HostName = servers.Host, Port = servers.Port, VirtualHost = servers.Name, UserName = servers.User, Password = servers.Password,
        };
        await using var connection = await factory.CreateConnectionAsync(cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await channel.ExchangeDeclareAsync(queue, ExchangeType.Fanout, durable: true, cancellationToken: cancellationToken);
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, cancellationToken: cancellationToken);
        await channel.QueueBindAsync(queue, queue, "", cancellationToken: cancellationToken);
        await channel.QueuePurgeAsync(queue, cancellationToken);
    }
}
