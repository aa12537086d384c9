namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>One message as received by one consumer; the key of duplicate detection.</summary>
public sealed class InboxState
{
    /// <summary>Key, given by the database.</summary>
    public long Id { get; set; }

    /// <summary>Id of the received message; unique together with <see cref="ConsumerId"/>.</summary>
    public Guid MessageId { get; set; }

    /// <summary>Id derived from the endpoint and the consumer that handle the message; for an activity, also from the step of its routing slip.</summary>
    public Guid ConsumerId { get; set; }

    /// <summary>Changes with every attempt that takes the row.</summary>
    public Guid LockId { get; set; }

    /// <summary>Concurrency token.</summary>
    public byte[]? RowVersion { get; set; }

    /// <summary>When the message came first, UTC.</summary>
    public DateTime Received { get; set; }

    /// <summary>How often the message came.</summary>
    public int ReceiveCount { get; set; }

    /// <summary>When the message expires, UTC.</summary>
    public DateTime? ExpirationTime { get; set; }

    /// <summary>When the consumer finished, UTC; null until then.</summary>
    public DateTime? Consumed { get; set; }

    /// <summary>When everything that the consumer sent was confirmed by the broker, UTC; null until then.</summary>
    public DateTime? Delivered { get; set; }

    /// <summary>Sequence number of the last message that was delivered.</summary>
    public long? LastSequenceNumber { get; set; }
}
