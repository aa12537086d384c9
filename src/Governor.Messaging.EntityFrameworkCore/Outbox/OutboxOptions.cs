using System.Data;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The settings of one DbContext's outbox.</summary>
internal sealed class OutboxOptions<TDbContext>
{
    private long _consumersTimeout;

    public required SqlLockStatementProvider Sql { get; init; }

    /// <summary>Its statements of the outbox: a database without them was refused.</summary>
    public OutboxStatements Statements => Sql.Outbox!;

    public required IsolationLevel IsolationLevel { get; init; }

    public required TimeSpan QueryDelay { get; init; }

    public required TimeSpan QueryTimeout { get; init; }

    public required int QueryMessageLimit { get; init; }

    public required int MessageDeliveryLimit { get; init; }

    public required TimeSpan MessageDeliveryTimeout { get; init; }

    public required TimeSpan DuplicateDetectionWindow { get; init; }

    /// <summary>Whether this process delivers what the bus outbox holds.</summary>
    public required bool Delivers { get; init; }

    /// <summary>
    /// How long after its commit a consumer's messages are left to the process that consumed: it sends them, for at most as long as its
    /// endpoint allows, and then still has to write down that it did. The margin also covers clocks that differ.
    /// </summary>
    public TimeSpan Grace => TimeSpan.FromSeconds(30) + (2 * new TimeSpan(Math.Max(MessageDeliveryTimeout.Ticks, Interlocked.Read(ref _consumersTimeout))));

    /// <summary>An endpoint lets the messages of its consumers take so long.</summary>
    public void AllowConsumers(TimeSpan timeout) => InterlockedMax(ref _consumersTimeout, timeout.Ticks);

    private static void InterlockedMax(ref long target, long value)
    {
        for (var seen = Interlocked.Read(ref target); seen < value; seen = Interlocked.Read(ref target))
            Interlocked.CompareExchange(ref target, value, seen);
    }
}
