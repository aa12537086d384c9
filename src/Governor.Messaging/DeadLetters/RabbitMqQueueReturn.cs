using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Governor.Messaging;

/// <summary>Publishes to the queue by its name, on a channel with confirms; mandatory, so that the broker says when there is
/// no such queue.</summary>
internal sealed class RabbitMqQueueReturn(SideConnection side) : IQueueReturn
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>What the transport, the broker or a client library writes by itself. Some of it the broker refuses from
    /// anybody else: it takes CC and BCC as lists only, and a dead letter has them as text.</summary>
    private static readonly HashSet<string> LeftOut = new(StringComparer.OrdinalIgnoreCase)
    {
        MassTransit.MessageHeaders.MessageId, MassTransit.MessageHeaders.CorrelationId, "CC", "BCC", "x-death", "x-first-death-exchange",
        "x-first-death-queue", "x-first-death-reason", "x-last-death-exchange", "x-last-death-queue", "x-last-death-reason",
        "x-delivery-count", "x-acquired-count", "x-dotnet-pub-seq-no",
    };

    public async Task<bool> TrySendAsync(string queue, RawMessage message, CancellationToken cancellationToken)
    {
        if (!IsShort(queue))
            return false;

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            var connection = await side.OpenAsync(limit.Token);
            await using var channel = await connection.CreateChannelAsync(
                new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), limit.Token);
            await channel.BasicPublishAsync(
                exchange: "", routingKey: queue, mandatory: true, PropertiesOf(message), message.Body, limit.Token);
            return true;
        }
        catch (PublishException e) when (e.IsReturn)
        {
            return false;
        }
        catch (Exception e) when (e is RabbitMQClientException or IOException or System.Net.Sockets.SocketException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new BrokerUnavailableException("The broker did not confirm the message.", e);
        }
    }

    private static BasicProperties PropertiesOf(RawMessage message)
    {
        var properties = new BasicProperties
        {
            DeliveryMode = DeliveryModes.Persistent,
            Headers = message.Headers
                .Where(header => IsShort(header.Key) && !LeftOut.Contains(header.Key)
                    && !header.Key.StartsWith("RabbitMQ-", StringComparison.Ordinal))
                .ToDictionary(header => header.Key, header => (object?)header.Value, StringComparer.Ordinal),
        };
        if (message.ContentType is { } contentType && IsShort(contentType))
            properties.ContentType = contentType;
        if (message.MessageId is { } messageId && IsShort(messageId))
            properties.MessageId = messageId;
        if (Header(MassTransit.MessageHeaders.CorrelationId) is { } correlationId)
            properties.CorrelationId = correlationId;
        if (Header(RawMessage.ReplyToHeader) is { } replyTo)
            properties.ReplyTo = replyTo;
        if (Header(RawMessage.TypeHeader) is { } type)
            properties.Type = type;
        return properties;

        string? Header(string name) => message.Headers.TryGetValue(name, out var value) && IsShort(value) ? value : null;
    }

    /// <summary>Names and properties are AMQP's short strings; a longer one never came from a queue.</summary>
    private static bool IsShort(string text) => Encoding.UTF8.GetByteCount(text) <= byte.MaxValue;
}
