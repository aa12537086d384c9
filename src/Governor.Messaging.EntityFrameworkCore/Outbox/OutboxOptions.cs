using System.Data;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The settings of one DbContext's outbox.</summary>
internal sealed class OutboxOptions<TDbContext>
{
    public required SqlLockStatementProvider Sql { get; init; }

    public required IsolationLevel IsolationLevel { get; init; }

    public required TimeSpan QueryDelay { get; init; }

    public required TimeSpan QueryTimeout { get; init; }

    public required int QueryMessageLimit { get; init; }

    public required TimeSpan MessageDeliveryTimeout { get; init; }
}
