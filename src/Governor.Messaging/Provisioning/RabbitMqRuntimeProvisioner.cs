using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Governor.Messaging;

/// <summary>Provisions over a connection of its own, pipelined: declarations are sent without waiting for an answer, and
/// one question at the end of each channel waits for them all.</summary>
internal sealed class RabbitMqRuntimeProvisioner(SideConnection side, IOptions<RabbitMqOptions> options) : IRuntimeProvisioner
{
    private const int Channels = 8;

    public async Task ProvisionAsync(IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken)
    {
        if (runtimeIds.Count == 0)
            return;

        var connection = await side.OpenAsync(cancellationToken);
        await DeclareExchangesAsync(connection, cancellationToken);

        var refused = new ConcurrentDictionary<string, string>(StringComparer.Ordinal);
        var size = (runtimeIds.Count + Channels - 1) / Channels;
        await Task.WhenAll(runtimeIds.Chunk(size).Select(chunk => ProvisionAsync(connection, chunk, refused, cancellationToken)));
        if (!refused.IsEmpty)
            throw new RuntimeProvisioningException(refused);
    }

    public async Task DeprovisionAsync(string runtimeId, CancellationToken cancellationToken)
    {
        var name = RuntimeQueue.NameOf(runtimeId);
        var connection = await side.OpenAsync(cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);

        // Together: an exchange that outlives its queue swallows what is sent to it.
        await channel.QueueDeleteAsync(name, ifUnused: false, ifEmpty: false, noWait: true, cancellationToken);
        await channel.ExchangeDeleteAsync(name, ifUnused: false, noWait: false, cancellationToken);
    }

    public async Task<bool> IsMarkedAsync(CancellationToken cancellationToken)
    {
        var connection = await side.OpenAsync(cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        try
        {
            await channel.ExchangeDeclarePassiveAsync(Topology.Marker, cancellationToken);
            return true;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return false;
        }
    }

    public async Task MarkAsync(CancellationToken cancellationToken)
    {
        var connection = await side.OpenAsync(cancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await channel.ExchangeDeclareAsync(
            Topology.Marker, ExchangeType.Fanout, durable: true, autoDelete: false, cancellationToken: cancellationToken);
    }

    private async Task ProvisionAsync(
        IConnection connection, ArraySegment<string> runtimeIds, ConcurrentDictionary<string, string> refused, CancellationToken cancellationToken)
    {
        try
        {
            await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
            await DeclareQueuesAsync(channel, runtimeIds, cancellationToken);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.PreconditionFailed)
        {
            // The broker closed the channel without saying at which queue: halve until only the culprit is left.
            if (runtimeIds.Count == 1)
            {
                refused[runtimeIds[0]] = e.ShutdownReason?.ReplyText ?? e.Message;
                return;
            }

            var half = runtimeIds.Count / 2;
            await ProvisionAsync(connection, runtimeIds[..half], refused, cancellationToken);
            await ProvisionAsync(connection, runtimeIds[half..], refused, cancellationToken);
        }
    }

    private async Task DeclareQueuesAsync(IChannel channel, ArraySegment<string> runtimeIds, CancellationToken cancellationToken)
    {
        var arguments = RuntimeQueue.ArgumentsFor(options.Value.QueueType);
        foreach (var runtimeId in runtimeIds)
        {
            var queue = RuntimeQueue.NameOf(runtimeId);
            await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, arguments, passive: false, noWait: true, cancellationToken);

            // Whether or not the queue was there: an Agent that reconnects makes its deleted queue again, unbound.
            foreach (var exchange in Topology.RuntimeExchanges)
                await channel.QueueBindAsync(queue, exchange, runtimeId, arguments: null, noWait: true, cancellationToken);
        }

        // A channel works in order: once this is answered, all before it is done.
        await channel.ExchangeDeclarePassiveAsync(Topology.RuntimeExchanges[0], cancellationToken);
    }

    // With the arguments that the bus declares them with, so that either may come first.
    private static async Task DeclareExchangesAsync(IConnection connection, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        foreach (var exchange in Topology.RuntimeExchanges)
        {
            await channel.ExchangeDeclareAsync(exchange, ExchangeType.Direct, durable: true, autoDelete: false,
                Topology.RuntimeExchangeArguments, cancellationToken: cancellationToken);
        }
    }
}
