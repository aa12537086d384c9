using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace MassTransit;

/// <summary>Configures a saga repository.</summary>
public interface IEntityFrameworkSagaRepositoryConfigurator
{
    /// <summary>Default <see cref="MassTransit.ConcurrencyMode.Pessimistic"/>.</summary>
    ConcurrencyMode ConcurrencyMode { set; }

    /// <summary>
    /// Isolation of the repository's own transaction; not used inside the consumer outbox, whose transaction it joins.
    /// Default <see cref="System.Data.IsolationLevel.Serializable"/>, under which events of one instance that meet fail and have to be
    /// retried; under <see cref="System.Data.IsolationLevel.ReadCommitted"/> they wait for each other, and none fails.
    /// </summary>
    IsolationLevel IsolationLevel { set; }

    /// <summary>Writes the row lock of <see cref="MassTransit.ConcurrencyMode.Pessimistic"/>; see <c>UsePostgres</c> and <c>UseSqlite</c>.</summary>
    ILockStatementProvider LockStatementProvider { set; }

    /// <summary>The DbContext, which is registered elsewhere; the instance of the consumer's scope is used.</summary>
    /// <typeparam name="TContext">The DbContext that maps the saga.</typeparam>
    void ExistingDbContext<TContext>() where TContext : DbContext;

    /// <summary>Registers the DbContext too.</summary>
    /// <param name="optionsAction">Its options.</param>
    /// <typeparam name="TContext">The type by which the DbContext is resolved.</typeparam>
    /// <typeparam name="TImplementation">The DbContext that maps the saga.</typeparam>
    void AddDbContext<TContext, TImplementation>(Action<IServiceProvider, DbContextOptionsBuilder<TImplementation>> optionsAction)
        where TContext : DbContext
        where TImplementation : DbContext, TContext;

    /// <summary>Takes a DbContext of its own for each message from a function.</summary>
    /// <param name="databaseFactory">Makes a DbContext, which the repository disposes.</param>
    void DatabaseFactory(Func<DbContext> databaseFactory);

    /// <summary>Takes a DbContext of its own for each message from a function.</summary>
    /// <param name="databaseFactory">Gives, in the scope of a message, the function that makes a DbContext, which the repository disposes.</param>
    void DatabaseFactory(Func<IServiceProvider, Func<DbContext>> databaseFactory);

    /// <summary>
    /// Optimistic concurrency: <see cref="MassTransit.ConcurrencyMode.Optimistic"/> under
    /// <see cref="System.Data.IsolationLevel.ReadCommitted"/>.
    /// </summary>
    void SetOptimisticConcurrency();
}

/// <inheritdoc />
/// <typeparam name="TSaga">The saga.</typeparam>
public interface IEntityFrameworkSagaRepositoryConfigurator<TSaga> : IEntityFrameworkSagaRepositoryConfigurator
    where TSaga : class, ISaga
{
    /// <summary>Changes the query that loads an instance, for instance to include what belongs to it.</summary>
    /// <param name="queryCustomization">Gets the query, gives the query to use.</param>
    void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization);
}
