using System.Data;
using System.Diagnostics.CodeAnalysis;
using MassTransit.EntityFrameworkCoreIntegration.Saga;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Makes saga repositories without a container, for <c>StateMachineSaga</c> and <c>Saga</c> on a receive endpoint.</summary>
/// <typeparam name="TSaga">The saga.</typeparam>
[SuppressMessage("Design", "CA1000", Justification = "Users know the factory by this name and shape.")]
public static class EntityFrameworkSagaRepository<TSaga> where TSaga : class, ISaga
{
    /// <summary>A repository that trusts the saga's concurrency token.</summary>
    /// <param name="dbContextFactory">Gives a DbContext for each message.</param>
    /// <param name="queryCustomization">Changes the query that loads an instance.</param>
    /// <param name="isolationLevel">Isolation of the transaction around an event.</param>
    /// <returns>The repository; it can also load and query.</returns>
    public static ISagaRepository<TSaga> CreateOptimistic(Func<DbContext> dbContextFactory,
        Func<IQueryable<TSaga>, IQueryable<TSaga>>? queryCustomization = null, IsolationLevel isolationLevel = IsolationLevel.ReadCommitted) =>
        CreateOptimistic(new DelegateSagaDbContextFactory<TSaga>(dbContextFactory), queryCustomization, isolationLevel);

    /// <inheritdoc cref="CreateOptimistic(Func{DbContext}, Func{IQueryable{TSaga}, IQueryable{TSaga}}?, IsolationLevel)" />
    public static ISagaRepository<TSaga> CreateOptimistic(ISagaDbContextFactory<TSaga> dbContextFactory,
        Func<IQueryable<TSaga>, IQueryable<TSaga>>? queryCustomization = null, IsolationLevel isolationLevel = IsolationLevel.ReadCommitted) =>
        Create(dbContextFactory, new OptimisticSagaRepositoryLockStrategy<TSaga>(
            new OptimisticLoadQueryExecutor<TSaga>(queryCustomization), isolationLevel));

    /// <summary>A repository that locks the row of the instance.</summary>
    /// <param name="dbContextFactory">Gives a DbContext for each message.</param>
    /// <param name="lockStatementProvider">Writes the lock; PostgreSQL's by default.</param>
    /// <param name="queryCustomization">Changes the query that loads an instance.</param>
    /// <param name="isolationLevel">Isolation of the transaction around an event.</param>
    /// <returns>The repository; it can also load and query.</returns>
    public static ISagaRepository<TSaga> CreatePessimistic(Func<DbContext> dbContextFactory, ILockStatementProvider? lockStatementProvider = null,
        Func<IQueryable<TSaga>, IQueryable<TSaga>>? queryCustomization = null, IsolationLevel isolationLevel = IsolationLevel.Serializable) =>
        CreatePessimistic(new DelegateSagaDbContextFactory<TSaga>(dbContextFactory), lockStatementProvider, queryCustomization, isolationLevel);

    /// <inheritdoc cref="CreatePessimistic(Func{DbContext}, ILockStatementProvider?, Func{IQueryable{TSaga}, IQueryable{TSaga}}?, IsolationLevel)" />
    public static ISagaRepository<TSaga> CreatePessimistic(ISagaDbContextFactory<TSaga> dbContextFactory,
        ILockStatementProvider? lockStatementProvider = null, Func<IQueryable<TSaga>, IQueryable<TSaga>>? queryCustomization = null,
        IsolationLevel isolationLevel = IsolationLevel.Serializable) =>
        Create(dbContextFactory, new PessimisticSagaRepositoryLockStrategy<TSaga>(
            new PessimisticLoadQueryExecutor<TSaga>(lockStatementProvider ?? new PostgresLockStatementProvider(), queryCustomization), isolationLevel));

    private static SagaRepository<TSaga> Create(ISagaDbContextFactory<TSaga> dbContextFactory, ISagaRepositoryLockStrategy<TSaga> strategy)
    {
        var factory = new SagaRepositoryContextFactory<TSaga>(dbContextFactory, strategy, new SagaConsumeContextFactory<DbContext, TSaga>());
        return new SagaRepository<TSaga>(factory, factory, factory);
    }
}
