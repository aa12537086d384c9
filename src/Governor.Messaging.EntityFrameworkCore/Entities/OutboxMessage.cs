namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A serialized message that waits to be sent.</summary>
public sealed class OutboxMessage
{
    /// <summary>Key, given by the database; the order within an outbox.</summary>
    public long SequenceNumber { get; set; }

    /// <summary>When a delayed message is due, UTC; null for one that is not delayed.</summary>
    public DateTime? EnqueueTime { get; set; }

    /// <summary>When the message was published or sent by the application, UTC.</summary>
    public DateTime SentTime { get; set; }

    /// <summary>Message headers, a JSON object; null without any.</summary>
    public string? Headers { get; set; }

    /// <summary>What only the transport understands, such as the routing key: a JSON object; null without any.</summary>
    public string? Properties { get; set; }

    /// <summary>The received message whose consumer sent this one; null outside a consumer with an inbox.</summary>
    public Guid? InboxMessageId { get; set; }

    /// <summary>The consumer that sent this message; null outside a consumer with an inbox.</summary>
    public Guid? InboxConsumerId { get; set; }

    /// <summary>The outbox that the message belongs to.</summary>
    public Guid? OutboxId { get; set; }

    /// <summary>Id of the message.</summary>
    public Guid MessageId { get; set; }

    /// <summary>Media type of <see cref="Body"/>, at most 256 characters.</summary>
    public string ContentType { get; set; } = "";

    /// <summary>URNs of the types that the message can be consumed as, separated by semicolons.</summary>
    public string MessageType { get; set; } = "";

    /// <summary>The body exactly as it goes to the broker.</summary>
    public string Body { get; set; } = "";

    /// <summary>Id of the conversation that the message belongs to.</summary>
    public Guid? ConversationId { get; set; }

    /// <summary>Correlation id.</summary>
    public Guid? CorrelationId { get; set; }

    /// <summary>Correlation id of the message that caused this one.</summary>
    public Guid? InitiatorId { get; set; }

    /// <summary>Id of the request that the message is, or answers.</summary>
    public Guid? RequestId { get; set; }

    /// <summary>Address of the sender.</summary>
    public Uri? SourceAddress { get; set; }

    /// <summary>Address to send to.</summary>
    public Uri? DestinationAddress { get; set; }

    /// <summary>Address for responses.</summary>
    public Uri? ResponseAddress { get; set; }

    /// <summary>Address for faults.</summary>
    public Uri? FaultAddress { get; set; }

    /// <summary>When the message is no longer wanted, UTC; it is then dropped instead of sent.</summary>
    public DateTime? ExpirationTime { get; set; }
}
