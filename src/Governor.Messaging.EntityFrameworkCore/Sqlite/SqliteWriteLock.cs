using System.Collections.Concurrent;
using System.Data.Common;
using System.Runtime.CompilerServices;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>One lock per database, and who holds it.</summary>
internal static class SqliteWriteLock
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly ConcurrentDictionary<string, SemaphoreSlim> Locks = new(StringComparer.Ordinal);
    private static readonly ConditionalWeakTable<DbConnection, SemaphoreSlim> Holders = [];

    public static async Task AcquireAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        if (LockOf(connection) is not { } writeLock)
            return;
        if (!await writeLock.WaitAsync(Patience, cancellationToken))
            throw NotFree(connection);
        Holders.AddOrUpdate(connection, writeLock);
    }

    public static void Acquire(DbConnection connection)
    {
        if (LockOf(connection) is not { } writeLock)
            return;
        if (!writeLock.Wait(Patience))
            throw NotFree(connection);
        Holders.AddOrUpdate(connection, writeLock);
    }

    /// <summary>Releases the lock that the connection holds, if any: the end of a transaction can be seen more than once.</summary>
    public static void Release(DbConnection? connection)
    {
        if (connection is not null && Holders.TryGetValue(connection, out var writeLock) && Holders.Remove(connection))
            writeLock.Release();
    }

    private static SemaphoreSlim? LockOf(DbConnection connection) =>
        connection.DataSource is { Length: > 0 } file && file != ":memory:"
            ? Locks.GetOrAdd(file, _ => new SemaphoreSlim(1, 1))
            : null;

    private static TimeoutException NotFree(DbConnection connection) => new(
        $"The write lock of {connection.DataSource} was not free within {Patience.TotalSeconds} s. Does a transaction on it stay open, "
        + "or does its owner open a second one?");
}
