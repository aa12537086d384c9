using MassTransit.Context;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Makes the row of a message from the context that the transport would have sent.</summary>
internal static class OutboxMessageCapture
{
    /// <summary>Serializes the message and keeps everything that its delivery needs; the outbox is given when it is written.</summary>
    /// <remarks>The send topology has already run, so that routing key and other transport properties are in the context.</remarks>
    public static OutboxMessage Capture<T>(SendContext<T> context, TimeProvider clock) where T : class
    {
        var now = clock.GetUtcNow().UtcDateTime;
        var sentTime = context.SentTime ?? now;
        context.MessageId ??= NewId.NextGuid();
        context.ConversationId ??= context.MessageId;

        // The delay is spent in the outbox: the transport is not to wait again.
        var due = context.Delay is { } delay ? now + delay : (DateTime?)null;
        context.Delay = null;

        var properties = new Dictionary<string, object>(StringComparer.Ordinal);
        if (context is TransportSendContext<T> transport)
            transport.WritePropertiesTo(properties);

        return new OutboxMessage
        {
            MessageId = context.MessageId.Value,
            SentTime = sentTime,
            EnqueueTime = due,
            ExpirationTime = context.TimeToLive is { } timeToLive ? sentTime + timeToLive : null,
            ConversationId = context.ConversationId,
            CorrelationId = context.CorrelationId,
            InitiatorId = context.InitiatorId,
            RequestId = context.RequestId,
            SourceAddress = context.SourceAddress,
            DestinationAddress = context.DestinationAddress,
            ResponseAddress = context.ResponseAddress,
            FaultAddress = context.FaultAddress,
            Headers = OutboxJson.Write(context.Headers.GetAll()),
            Properties = OutboxJson.Write(properties),
            MessageType = string.Join(';', context.SupportedMessageTypes),
            ContentType = context.ContentType?.ToString() ?? context.Serializer.ContentType.ToString(),
            Body = context.Serializer.GetMessageBody(context).GetString(),
        };
    }
}
