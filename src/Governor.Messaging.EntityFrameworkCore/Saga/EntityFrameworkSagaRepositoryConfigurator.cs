using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.Configuration;

/// <summary>Gathers the settings of a saga repository and registers it.</summary>
internal sealed class EntityFrameworkSagaRepositoryConfigurator<TSaga> : IEntityFrameworkSagaRepositoryConfigurator<TSaga>
    where TSaga : class, ISaga
{
    private Action<IServiceCollection, SagaLoader<TSaga>, IsolationLevel>? _register;
    private Func<IQueryable<TSaga>, IQueryable<TSaga>> _customizeQuery = query => query;

    public ConcurrencyMode ConcurrencyMode { get; set; } = ConcurrencyMode.Pessimistic;

    public IsolationLevel IsolationLevel { get; set; } = IsolationLevel.ReadCommitted;

    public ILockStatementProvider? LockStatementProvider { get; set; }

    ILockStatementProvider IEntityFrameworkSagaRepositoryConfigurator.LockStatementProvider
    {
        set => LockStatementProvider = value;
    }

    public void ExistingDbContext<TContext>() where TContext : DbContext => _register = (services, loader, isolation) =>
    {
        services.AddSingleton(new SagaRepositoryOptions<TSaga, TContext>(loader, isolation));
        services.RegisterSagaRepository<TSaga, TContext, SagaConsumeContextFactory<TContext, TSaga>,
            SagaRepositoryContextFactory<TContext, TSaga>>();
        services.RegisterLoadSagaRepository<TSaga, SagaRepositoryContextFactory<TContext, TSaga>>();
        services.RegisterQuerySagaRepository<TSaga, SagaRepositoryContextFactory<TContext, TSaga>>();
    };

    public void AddDbContext<TContext, TImplementation>(Action<IServiceProvider, DbContextOptionsBuilder> optionsAction)
        where TContext : DbContext
        where TImplementation : DbContext, TContext
    {
        ExistingDbContext<TContext>();
        _register = (Action<IServiceCollection, SagaLoader<TSaga>, IsolationLevel>)(
            (services, _, _) => services.AddDbContext<TContext, TImplementation>(optionsAction)) + _register;
    }

    public void CustomizeQuery(Func<IQueryable<TSaga>, IQueryable<TSaga>> queryCustomization) => _customizeQuery = queryCustomization;

    public void Register(IServiceCollection services)
    {
        if (_register is null)
            throw new ConfigurationException($"The repository of {typeof(TSaga).Name} has no DbContext; call ExistingDbContext or AddDbContext.");
        if (ConcurrencyMode == ConcurrencyMode.Pessimistic && LockStatementProvider is null)
            throw new ConfigurationException($"The repository of {typeof(TSaga).Name} does not know its database; call UsePostgres() or "
                + "UseSqlite(), or use optimistic concurrency.");
        var locks = ConcurrencyMode == ConcurrencyMode.Pessimistic ? LockStatementProvider : null;
        _register(services, new SagaLoader<TSaga>(locks, _customizeQuery), IsolationLevel);
    }
}
