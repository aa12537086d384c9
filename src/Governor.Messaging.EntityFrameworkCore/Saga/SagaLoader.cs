using System.Data;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The settings of a saga's repository in one DbContext.</summary>
internal sealed record SagaRepositoryOptions<TSaga, TDbContext>(SagaLoader<TSaga> Loader, IsolationLevel IsolationLevel)
    where TSaga : class, ISaga
    where TDbContext : DbContext;

/// <summary>Loads an instance for change: under a row lock, or trusting the concurrency token.</summary>
internal sealed class SagaLoader<TSaga>(ILockStatementProvider? locks, Func<IQueryable<TSaga>, IQueryable<TSaga>> customizeQuery)
    where TSaga : class, ISaga
{
    public async Task<TSaga?> LoadAsync(DbContext context, Guid correlationId, CancellationToken cancellationToken)
    {
        if (locks is null)
            return await customizeQuery(context.Set<TSaga>().AsTracking())
                .FirstOrDefaultAsync(saga => saga.CorrelationId == correlationId, cancellationToken);

        // An instance that the scope has read before would keep the values from before the lock.
        if (context.Set<TSaga>().Local.FindEntry(correlationId) is { State: EntityState.Unchanged } stale)
            stale.State = EntityState.Detached;
        var statement = locks.GetRowLockStatement<TSaga>(context, nameof(ISaga.CorrelationId));
        var found = await customizeQuery(context.Set<TSaga>().FromSqlRaw(statement, correlationId).AsTracking())
            .ToListAsync(cancellationToken);
        return found.SingleOrDefault();
    }
}
