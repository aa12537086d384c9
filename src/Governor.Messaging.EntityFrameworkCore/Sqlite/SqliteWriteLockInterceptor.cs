using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Takes the write lock before a transaction starts; <see cref="SqliteWriteLockTransactionFactory" /> gives it back.</summary>
internal sealed class SqliteWriteLockInterceptor : DbTransactionInterceptor
{
    public static SqliteWriteLockInterceptor Instance { get; } = new();

    // The transaction is begun here rather than by EF Core, because nothing tells an interceptor that it could not begin.
    public override async ValueTask<InterceptionResult<DbTransaction>> TransactionStartingAsync(DbConnection connection,
        TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result, CancellationToken cancellationToken = default)
    {
        if (result.HasResult)
            return result;
        await SqliteWriteLock.AcquireAsync(connection, cancellationToken);
        try
        {
            return InterceptionResult<DbTransaction>.SuppressWithResult(
                await connection.BeginTransactionAsync(eventData.IsolationLevel, cancellationToken));
        }
        catch
        {
            SqliteWriteLock.Release(connection);
            throw;
        }
    }

    public override InterceptionResult<DbTransaction> TransactionStarting(
        DbConnection connection, TransactionStartingEventData eventData, InterceptionResult<DbTransaction> result)
    {
        if (result.HasResult)
            return result;
        SqliteWriteLock.Acquire(connection);
        try
        {
            return InterceptionResult<DbTransaction>.SuppressWithResult(connection.BeginTransaction(eventData.IsolationLevel));
        }
        catch
        {
            SqliteWriteLock.Release(connection);
            throw;
        }
    }
}

/// <summary>Makes transactions that give the write lock back when they end: also when they are only disposed, which no interceptor sees.</summary>
internal sealed class SqliteWriteLockTransactionFactory(RelationalTransactionFactoryDependencies dependencies) : IRelationalTransactionFactory
{
    public RelationalTransaction Create(IRelationalConnection connection, DbTransaction transaction, Guid transactionId,
        IDiagnosticsLogger<DbLoggerCategory.Database.Transaction> logger, bool transactionOwned) =>
        new LockedTransaction(connection, transaction, transactionId, logger, transactionOwned, dependencies.SqlGenerationHelper);

    private sealed class LockedTransaction(IRelationalConnection connection, DbTransaction transaction, Guid transactionId,
        IDiagnosticsLogger<DbLoggerCategory.Database.Transaction> logger, bool transactionOwned,
        ISqlGenerationHelper sqlGenerationHelper)
        : RelationalTransaction(connection, transaction, transactionId, logger, transactionOwned, sqlGenerationHelper)
    {
        private readonly DbConnection _connection = connection.DbConnection;

        // Called after commit and rollback.
        protected override void ClearTransaction()
        {
            SqliteWriteLock.Release(_connection);
            base.ClearTransaction();
        }

        protected override Task ClearTransactionAsync(CancellationToken cancellationToken = default)
        {
            SqliteWriteLock.Release(_connection);
            return base.ClearTransactionAsync(cancellationToken);
        }

        public override void Dispose()
        {
            base.Dispose();
            SqliteWriteLock.Release(_connection);
        }

        public override async ValueTask DisposeAsync()
        {
            await base.DisposeAsync();
            SqliteWriteLock.Release(_connection);
        }
    }
}
