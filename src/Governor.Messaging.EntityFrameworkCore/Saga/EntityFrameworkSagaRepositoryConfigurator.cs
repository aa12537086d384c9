using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.EntityFrameworkCoreIntegration.Saga;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace MassTransit.Configuration;

/// <summary>Gathers the settings of a saga repository and registers it.</summary>
internal sealed class EntityFrameworkSagaRepositoryConfigurator<TSaga> : IEntityFrameworkSagaRepositoryConfigurator<TSaga>
    where TSaga : class, ISaga
{
    private Action<IServiceCollection>? _dbContext;
    private Func<IQueryable<TSaga>, IQueryable<TSaga>>? _customizeQuery;

    public ConcurrencyMode ConcurrencyMode { get; set; } = ConcurrencyMode.Pessimistic;

    public IsolationLevel IsolationLevel { get; set; } = IsolationLevel.Serializable;

    public ILockStatementProvider? LockStatementProvider { get; set; }

    ILockStatementProvider IEntityFrameworkSagaRepositoryConfigurator.LockStatementProvider
    {
        set => LockStatementProvider = value;
    }

    public void SetOptimisticConcurrency() => (ConcurrencyMode, IsolationLevel) = (ConcurrencyMode.Optimistic, IsolationLevel.ReadCommitted);

    public void ExistingDbContext<TContext>() where TContext : DbContext =>
        _dbContext = services => services.AddScoped<ISagaDbContextFactory<TSaga>, ContainerSagaDbContextFactory<TContext, TSaga>>();

    public void AddDbContext<TContext, TImplementation>(Action<IServiceProvider, DbContextOptionsBuilder<TImplementation>> optionsAction)
        where TContext : DbContext
        where TImplementation : DbContext, TContext =>
        _dbContext = services =>
        {
            services.AddDbContext<TContext, TImplementation>(
                (provider, options) => optionsAction(provider, (DbContextOptionsBuilder<TImplementation>)options));
            services.AddScoped<ISagaDbContextFactory<TSaga>, ContainerSagaDbContextFactory<TContext, TSaga>>();
        };

    public void DatabaseFactory(Func<DbContext> databaseFactory) => DatabaseFactory(_ => databaseFactory);

    public void DatabaseFactory(Func<IServiceProvider, Func<DbContext>> databaseFactory) => _dbContext = services =>
        services.AddScoped<ISagaDbContextFactory<TSaga>>(provider => new DelegateSagaDbContextFactory<TSaga>(databaseFactory(provider)));

    public void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization) => _customizeQuery = queryCustomization;

    public void Register(IServiceCollection services)
    {
        if (_dbContext is null)
            throw new ConfigurationException(
                $"The repository of {typeof(TSaga).Name} has no DbContext; call ExistingDbContext, AddDbContext or DatabaseFactory.");
        _dbContext(services);
        services.TryAddSingleton(Strategy());
        services.RegisterSagaRepository<TSaga, DbContext, SagaConsumeContextFactory<DbContext, TSaga>, SagaRepositoryContextFactory<TSaga>>();
        services.RegisterLoadSagaRepository<TSaga, SagaRepositoryContextFactory<TSaga>>();
        services.RegisterQuerySagaRepository<TSaga, SagaRepositoryContextFactory<TSaga>>();
    }

    private ISagaRepositoryLockStrategy<TSaga> Strategy() => ConcurrencyMode == ConcurrencyMode.Optimistic
        ? new OptimisticSagaRepositoryLockStrategy<TSaga>(new OptimisticLoadQueryExecutor<TSaga>(_customizeQuery), IsolationLevel)
        : new PessimisticSagaRepositoryLockStrategy<TSaga>(new PessimisticLoadQueryExecutor<TSaga>(
            LockStatementProvider ?? throw new ConfigurationException($"The repository of {typeof(TSaga).Name} does not know its database; "
                + "call UsePostgres() or UseSqlite(), or use optimistic concurrency."), _customizeQuery), IsolationLevel);
}

/// <summary>Gives sagas without a repository of their own one over EF Core.</summary>
internal sealed class EntityFrameworkSagaRepositoryRegistrationProvider(Action<IEntityFrameworkSagaRepositoryConfigurator> configure)
    : ISagaRepositoryRegistrationProvider
{
    public void Configure<TSaga>(ISagaRegistrationConfigurator<TSaga> configurator) where TSaga : class, ISaga =>
        configurator.EntityFrameworkRepository(repository => configure(repository));
}
