using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit;

/// <summary>Serializes the write transactions of a SQLite database.</summary>
public static class SqliteWriteLockExtensions
{
    /// <summary>
    /// Makes every transaction of this DbContext, explicit or opened by SaveChanges, wait for an asynchronous lock that all
    /// DbContexts of the process share per database file. Without it writers block threads in SQLite's busy wait and starve.
    /// </summary>
    /// <remarks>
    /// A SaveChanges of a single statement, ExecuteUpdate and ExecuteDelete outside a transaction open none, and step round the
    /// lock: SQLite's own lock still orders them. A flow that opens a second transaction on the same database while it holds one
    /// fails after 30 seconds. Private in-memory databases are not locked: nobody shares them.
    /// </remarks>
    /// <param name="optionsBuilder">The options of a DbContext that uses SQLite.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="TimeoutException">At the start of a transaction: the lock was not free within 30 seconds.</exception>
    public static DbContextOptionsBuilder UseSqliteWriteLock(this DbContextOptionsBuilder optionsBuilder) =>
        optionsBuilder.AddInterceptors(SqliteWriteLockInterceptor.Instance)
            .ReplaceService<IRelationalTransactionFactory, SqliteWriteLockTransactionFactory>();
}
