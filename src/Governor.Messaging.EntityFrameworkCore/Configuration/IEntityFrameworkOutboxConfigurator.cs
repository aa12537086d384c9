using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;

namespace MassTransit;

/// <summary>Configures the outbox of a DbContext.</summary>
public interface IEntityFrameworkOutboxConfigurator
{
    /// <summary>How long the delivery waits for a signal before it looks by itself: the delay of messages that another process wrote. Default 1 s.</summary>
    TimeSpan QueryDelay { set; }

    /// <summary>Messages that one pass of the delivery takes, over all outboxes, at least 1. Default 1000.</summary>
    int QueryMessageLimit { set; }

    /// <summary>Time-out of a statement of the delivery. Default 30 s.</summary>
    TimeSpan QueryTimeout { set; }

    /// <summary>Isolation of the transaction around a consumer. Default <see cref="System.Data.IsolationLevel.ReadCommitted"/>.</summary>
    IsolationLevel IsolationLevel { set; }

    /// <summary>The kind of database; see <c>UsePostgres</c> and <c>UseSqlite</c>.</summary>
    SqlLockStatementProvider LockStatementProvider { set; }

    /// <summary>Makes publishing and sending outside consumers wait for the SaveChanges of the scope's DbContext.</summary>
    /// <param name="configure">Further settings.</param>
    void UseBusOutbox(Action<IEntityFrameworkBusOutboxConfigurator>? configure = null);
}

/// <summary>Configures the delivery of the outbox.</summary>
public interface IEntityFrameworkBusOutboxConfigurator
{
    /// <summary>How long one pass of the delivery waits for the broker, and so holds what it claimed. Default 10 s.</summary>
    TimeSpan MessageDeliveryTimeout { set; }

    /// <summary>Delivers nothing in this process: another one does.</summary>
    void DisableDeliveryService();
}
