using System.Data;
using MassTransit.DependencyInjection;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace MassTransit.Configuration;

/// <summary>Gathers the settings of an outbox and registers it.</summary>
internal sealed class EntityFrameworkOutboxConfigurator<TDbContext>
    : IEntityFrameworkOutboxConfigurator, IEntityFrameworkBusOutboxConfigurator
    where TDbContext : DbContext
{
    private bool _busOutbox;
    private bool _delivers = true;

    public TimeSpan QueryDelay { get; set; } = TimeSpan.FromSeconds(1);

    public int QueryMessageLimit { get; set; } = 1000;

    public TimeSpan QueryTimeout { get; set; } = TimeSpan.FromSeconds(30);

    public TimeSpan MessageDeliveryTimeout { get; set; } = TimeSpan.FromSeconds(10);

    public IsolationLevel IsolationLevel { get; set; } = IsolationLevel.ReadCommitted;

    public SqlLockStatementProvider? LockStatementProvider { get; set; }

    SqlLockStatementProvider IEntityFrameworkOutboxConfigurator.LockStatementProvider
    {
        set => LockStatementProvider = value;
    }

    public void UseBusOutbox(Action<IEntityFrameworkBusOutboxConfigurator>? configure = null)
    {
        _busOutbox = true;
        configure?.Invoke(this);
    }

    public void DisableDeliveryService() => _delivers = false;

    public void Register(IServiceCollection services)
    {
        if (QueryDelay <= TimeSpan.Zero || QueryTimeout <= TimeSpan.Zero || MessageDeliveryTimeout <= TimeSpan.Zero || QueryMessageLimit < 1)
            throw new ConfigurationException($"The outbox of {typeof(TDbContext).Name} needs a {nameof(QueryDelay)}, {nameof(QueryTimeout)} and "
                + $"{nameof(MessageDeliveryTimeout)} above zero and a {nameof(QueryMessageLimit)} of at least 1.");

        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(new OutboxOptions<TDbContext>
        {
            Sql = LockStatementProvider ?? throw new ConfigurationException(
                $"The outbox of {typeof(TDbContext).Name} does not know its database; call UsePostgres() or UseSqlite()."),
            IsolationLevel = IsolationLevel,
            QueryDelay = QueryDelay,
            QueryTimeout = QueryTimeout,
            QueryMessageLimit = QueryMessageLimit,
            MessageDeliveryTimeout = MessageDeliveryTimeout,
        });
        services.AddSingleton<OutboxSignal<TDbContext>>();
        services.AddSingleton<OutboxWriter<TDbContext>>();
        services.AddScoped<IOutboxContextFactory<TDbContext>, OutboxContextFactory<TDbContext>>();

        if (_busOutbox)
        {
            services.AddSingleton<DbContextOutboxes<TDbContext>>();
            services.AddSingleton<OutboxInterceptor<TDbContext>>();
            services.ConfigureDbContext<TDbContext>((provider, options) =>
                options.AddInterceptors(provider.GetRequiredService<OutboxInterceptor<TDbContext>>()));
            services.AddScoped<DbContextScopedBusContext<TDbContext>>();
            services.Replace(ServiceDescriptor.Scoped<IScopedBusContextProvider<IBus>, OutboxScopedBusContextProvider<TDbContext>>());
        }

        if (_delivers)
            services.AddHostedService<OutboxDeliveryService<TDbContext>>();
    }
}
