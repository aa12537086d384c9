using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;

namespace MassTransit;

/// <summary>Configures the outbox of a DbContext.</summary>
public interface IEntityFrameworkOutboxConfigurator
{
    /// <summary>
    /// How long the delivery waits for a signal before it looks by itself, and how often the inbox is cleaned up. Default 5 s.
    /// </summary>
    TimeSpan QueryDelay { set; }

    /// <summary>Outboxes that one pass of the delivery takes, at least 1. Default 100.</summary>
    int QueryMessageLimit { set; }

    /// <summary>Time-out of a statement of the delivery and the clean-up. Default 30 s.</summary>
    TimeSpan QueryTimeout { set; }

    /// <summary>How long a received message is remembered after what its consumer sent has left. Default 30 min.</summary>
    TimeSpan DuplicateDetectionWindow { set; }

    /// <summary>
    /// Isolation of the transaction around a consumer. Default <see cref="System.Data.IsolationLevel.RepeatableRead"/>, under which
    /// transactions that change the same row fail and have to be retried; the delivery always works under read committed.
    /// </summary>
    IsolationLevel IsolationLevel { set; }

    /// <summary>The kind of database; see <c>UsePostgres</c> and <c>UseSqlite</c>.</summary>
    ILockStatementProvider LockStatementProvider { set; }

    /// <summary>Leaves the clean-up of the inbox, and what consumers that died left behind, to other processes.</summary>
    void DisableInboxCleanupService();

    /// <summary>Makes what a scope outside a consumer publishes and sends wait for the SaveChanges of its DbContext.</summary>
    /// <param name="configure">Settings of the delivery.</param>
    void UseBusOutbox(Action<IEntityFrameworkBusOutboxConfigurator>? configure = null);
}

/// <summary>Configures the delivery of an outbox.</summary>
public interface IEntityFrameworkBusOutboxConfigurator
{
    /// <summary>Messages of one outbox that a pass of the delivery sends, at least 1. Default 100. A pass holds up to ten times as many in memory.</summary>
    int MessageDeliveryLimit { set; }

    /// <summary>How long the broker may take to confirm the messages of a pass, or of a consumer. Default 5 s.</summary>
    TimeSpan MessageDeliveryTimeout { set; }

    /// <summary>Leaves the delivery to other processes of the same database, and tells them of each commit.</summary>
    void DisableDeliveryService();
}
