using System.Data;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration
{
    /// <summary>Loads one instance of a saga for change.</summary>
    /// <typeparam name="TSaga">The saga.</typeparam>
    public interface ILoadQueryExecutor<TSaga> where TSaga : class, ISaga
    {
        /// <summary>Loads the instance.</summary>
        /// <param name="dbContext">The DbContext, in a transaction.</param>
        /// <param name="correlationId">Id of the instance.</param>
        /// <param name="cancellationToken">Ends the statement.</param>
        /// <returns>The instance, tracked; null if there is none.</returns>
        Task<TSaga?> Load(DbContext dbContext, Guid correlationId, CancellationToken cancellationToken);
    }
}

namespace MassTransit.EntityFrameworkCoreIntegration.Saga
{
    /// <summary>How a saga repository keeps events of one instance apart.</summary>
    /// <typeparam name="TSaga">The saga.</typeparam>
    public interface ISagaRepositoryLockStrategy<TSaga> where TSaga : class, ISaga
    {
        /// <summary>Isolation of the transaction around an event.</summary>
        IsolationLevel IsolationLevel { get; }

        /// <inheritdoc cref="ILoadQueryExecutor{TSaga}.Load" />
        Task<TSaga?> Load(DbContext context, Guid correlationId, CancellationToken cancellationToken);
    }

    /// <summary>Loads without a lock; the concurrency token of the saga finds out whether somebody was faster.</summary>
    /// <typeparam name="TSaga">The saga.</typeparam>
    /// <param name="queryCustomization">Changes the query, for instance to include what belongs to the instance.</param>
    public class OptimisticLoadQueryExecutor<TSaga>(Func<IQueryable<TSaga>, IQueryable<TSaga>>? queryCustomization = null)
        : ILoadQueryExecutor<TSaga> where TSaga : class, ISaga
    {
        /// <inheritdoc />
        public Task<TSaga?> Load(DbContext dbContext, Guid correlationId, CancellationToken cancellationToken)
        {
            var query = dbContext.Set<TSaga>().AsTracking();
            return (queryCustomization?.Invoke(query) ?? query).FirstOrDefaultAsync(saga => saga.CorrelationId == correlationId, cancellationToken);
        }
    }

    /// <summary>Loads under a row lock, which is held until the transaction ends.</summary>
    /// <typeparam name="TSaga">The saga.</typeparam>
    /// <param name="lockStatementProvider">Writes the lock.</param>
    /// <param name="queryCustomization">Changes the query, for instance to include what belongs to the instance.</param>
    public class PessimisticLoadQueryExecutor<TSaga>(
        ILockStatementProvider lockStatementProvider, Func<IQueryable<TSaga>, IQueryable<TSaga>>? queryCustomization = null)
        : ILoadQueryExecutor<TSaga> where TSaga : class, ISaga
    {
        private readonly LockQuery<TSaga> _query = new();

        /// <inheritdoc />
        public async Task<TSaga?> Load(DbContext dbContext, Guid correlationId, CancellationToken cancellationToken)
        {
            // An instance that the scope has read before would keep the values from before the lock.
            if (dbContext.ChangeTracker.Entries<TSaga>().FirstOrDefault(entry => entry.Entity.CorrelationId == correlationId)
                is { State: EntityState.Unchanged } stale)
                stale.State = EntityState.Detached;
            var statement = lockStatementProvider.GetRowLockStatement<TSaga>(dbContext);
            // Composed with anything the statement would become a subquery, which some databases do not lock.
            if (queryCustomization is null)
                return await _query.Run(dbContext, statement, correlationId).SingleOrDefaultAsync(cancellationToken);
            var rows = dbContext.Set<TSaga>().FromSqlRaw(statement, correlationId);
            return (await rows.AsNoTracking().ToListAsync(cancellationToken)).Count == 0
                ? null
                : await queryCustomization(dbContext.Set<TSaga>().AsTracking())
                    .FirstOrDefaultAsync(saga => saga.CorrelationId == correlationId, cancellationToken);
        }
    }

    /// <summary>Optimistic concurrency: events of one instance meet at its concurrency token, and one of them is retried.</summary>
    /// <typeparam name="TSaga">The saga.</typeparam>
    /// <param name="executor">Loads the instance.</param>
    /// <param name="isolationLevel">Isolation of the transaction around an event.</param>
    public class OptimisticSagaRepositoryLockStrategy<TSaga>(
        ILoadQueryExecutor<TSaga> executor, IsolationLevel isolationLevel = IsolationLevel.ReadCommitted)
        : ISagaRepositoryLockStrategy<TSaga> where TSaga : class, ISaga
    {
        /// <inheritdoc />
        public IsolationLevel IsolationLevel { get; } = isolationLevel;

        /// <inheritdoc />
        public Task<TSaga?> Load(DbContext context, Guid correlationId, CancellationToken cancellationToken) =>
            executor.Load(context, correlationId, cancellationToken);
    }

    /// <summary>Pessimistic concurrency: events of one instance wait for each other at its row.</summary>
    /// <typeparam name="TSaga">The saga.</typeparam>
    /// <param name="executor">Loads the instance.</param>
    /// <param name="isolationLevel">Isolation of the transaction around an event.</param>
    public class PessimisticSagaRepositoryLockStrategy<TSaga>(
        ILoadQueryExecutor<TSaga> executor, IsolationLevel isolationLevel = IsolationLevel.Serializable)
        : ISagaRepositoryLockStrategy<TSaga> where TSaga : class, ISaga
    {
        /// <inheritdoc />
        public IsolationLevel IsolationLevel { get; } = isolationLevel;

        /// <inheritdoc />
        public Task<TSaga?> Load(DbContext context, Guid correlationId, CancellationToken cancellationToken) =>
            executor.Load(context, correlationId, cancellationToken);
    }
}
