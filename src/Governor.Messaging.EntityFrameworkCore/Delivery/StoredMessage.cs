using System.Net.Mime;
using MassTransit.Context;
using MassTransit.Middleware;
using MassTransit.Serialization;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A row of the outbox as MassTransit's send pipe reads it.</summary>
internal sealed class StoredMessage(OutboxMessage message, TimeProvider clock) : OutboxMessageContext
{
    private readonly Lazy<Headers> _headers = new(() => new DictionarySendHeaders(OutboxJson.Read(message.Headers)!));
    private readonly Lazy<Dictionary<string, object>> _properties = new(() => OutboxJson.Read(message.Properties));

    public long SequenceNumber => message.SequenceNumber;

    public Guid MessageId => message.MessageId;

    Guid? MessageContext.MessageId => message.MessageId;

    public string ContentType => message.ContentType;

    public string MessageType => message.MessageType;

    public string Body => message.Body;

    public IReadOnlyDictionary<string, object> Properties => _properties.Value;

    public Guid? RequestId => message.RequestId;

    public Guid? CorrelationId => message.CorrelationId;

    public Guid? ConversationId => message.ConversationId;

    public Guid? InitiatorId => message.InitiatorId;

    public DateTime? ExpirationTime => message.ExpirationTime;

    public Uri? SourceAddress => message.SourceAddress;

    public Uri? DestinationAddress => message.DestinationAddress;

    public Uri? ResponseAddress => message.ResponseAddress;

    public Uri? FaultAddress => message.FaultAddress;

    public DateTime? SentTime => message.SentTime;

    public Headers Headers => _headers.Value;

    public HostInfo Host => MassTransit.Metadata.HostMetadataCache.Host;

    /// <summary>Makes the context of a send that of the captured message.</summary>
    public void ApplyTo(SendContext context)
    {
        context.MessageId = MessageId;
        context.RequestId = RequestId;
        context.CorrelationId = CorrelationId;
        context.ConversationId = ConversationId;
        context.InitiatorId = InitiatorId;
        context.SourceAddress = SourceAddress;
        context.DestinationAddress = DestinationAddress;
        context.ResponseAddress = ResponseAddress;
        context.FaultAddress = FaultAddress;
        context.ContentType = new ContentType(ContentType);
        context.SupportedMessageTypes = MessageType.Split(';', StringSplitOptions.RemoveEmptyEntries);
        if (ExpirationTime is { } expiration)
            context.TimeToLive = expiration - clock.GetUtcNow().UtcDateTime is { Ticks: > 0 } left ? left : TimeSpan.FromMilliseconds(1);
        foreach (var header in Headers.GetAll())
            context.Headers.Set(header.Key, header.Value);
        if (context is TransportSendContext transport)
            transport.ReadPropertiesFrom(Properties);
    }
}
