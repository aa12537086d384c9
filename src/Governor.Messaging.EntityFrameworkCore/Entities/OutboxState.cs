namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>One outbox: the messages of one transaction, delivered in order. Whoever locks the row delivers them.</summary>
/// <remarks>The row exists as long as a message of it is undelivered.</remarks>
public sealed class OutboxState
{
    /// <summary>Key.</summary>
    public Guid OutboxId { get; set; }

    /// <summary>Not used by this implementation (the row lock is the lock); kept for the shape of the table.</summary>
    public Guid LockId { get; set; }

    /// <summary>Concurrency token.</summary>
    public byte[]? RowVersion { get; set; }

    /// <summary>When the outbox was written, UTC; older outboxes are taken first.</summary>
    public DateTime Created { get; set; }

    /// <summary>Not used by this implementation: a delivered outbox is deleted. Kept for the shape of the table.</summary>
    public DateTime? Delivered { get; set; }

    /// <summary>Not used by this implementation: what was delivered is deleted. Kept for the shape of the table.</summary>
    public long? LastSequenceNumber { get; set; }
}
