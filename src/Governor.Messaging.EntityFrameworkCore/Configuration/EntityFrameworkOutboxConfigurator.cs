using System.Data;
using MassTransit.DependencyInjection;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware;
using MassTransit.Transports;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace MassTransit.Configuration;

/// <summary>Gathers the settings of an outbox and registers it.</summary>
internal sealed class EntityFrameworkOutboxConfigurator<TBus, TDbContext>
    : IEntityFrameworkOutboxConfigurator, IEntityFrameworkBusOutboxConfigurator
    where TBus : class, IBus
    where TDbContext : DbContext
{
    private bool _busOutbox;
    private bool _delivers = true;
    private bool _cleansUp = true;

    public TimeSpan QueryDelay { get; set; } = TimeSpan.FromSeconds(5);

    public int QueryMessageLimit { get; set; } = 100;

    public TimeSpan QueryTimeout { get; set; } = TimeSpan.FromSeconds(30);

    public int MessageDeliveryLimit { get; set; } = 100;

    public TimeSpan MessageDeliveryTimeout { get; set; } = TimeSpan.FromSeconds(5);

    public TimeSpan DuplicateDetectionWindow { get; set; } = TimeSpan.FromMinutes(30);

    public IsolationLevel IsolationLevel { get; set; } = IsolationLevel.RepeatableRead;

    public ILockStatementProvider? LockStatementProvider { get; set; }

    ILockStatementProvider IEntityFrameworkOutboxConfigurator.LockStatementProvider
    {
        set => LockStatementProvider = value;
    }

    public void DisableInboxCleanupService() => _cleansUp = false;

    public void UseBusOutbox(Action<IEntityFrameworkBusOutboxConfigurator>? configure = null)
    {
        _busOutbox = true;
        configure?.Invoke(this);
    }

    public void DisableDeliveryService() => _delivers = false;

    public void Register(IServiceCollection services)
    {
        if (services.Any(service => service.ServiceType == typeof(OutboxOptions<TDbContext>)))
        {
            RegisterBus(services); // Another bus on the same outbox: the settings of the first hold.
            return;
        }

        var options = Options();
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options);
        services.AddSingleton<OutboxBuses<TDbContext>>();
        services.AddSingleton<OutboxSignal<TDbContext>>();
        services.AddSingleton<OutboxFailures<TDbContext>>();
        services.AddSingleton<OutboxWriter<TDbContext>>();
        services.TryAddSingleton<OutboxSender>();
        services.AddSingleton<InboxMarks<TDbContext>>();
        services.AddHostedService(provider => provider.GetRequiredService<InboxMarks<TDbContext>>());
        services.AddScoped<IOutboxContextFactory<TDbContext>, OutboxContextFactory<TDbContext>>();
        RegisterBus(services);

        if (_cleansUp)
            services.AddHostedService<InboxCleanupService<TDbContext>>();
        if (_delivers)
            RegisterDelivery(services);
        else if (options.Sql.HasRowLocks)
            services.AddHostedService<OutboxNotifier<TDbContext>>();
        if (_delivers || _cleansUp)
            RegisterHealth(services);
    }

    private void RegisterBus(IServiceCollection services)
    {
        services.AddSingleton(provider => new OutboxBus<TDbContext>(
            provider.GetServices<IBusInstance>().First(instance => instance.InstanceType == typeof(TBus))));
        if (!_busOutbox)
            return;
        if (services.All(service => service.ServiceType != typeof(OutboxInterceptor<TDbContext>)))
        {
            services.AddSingleton<DbContextOutboxes<TDbContext>>();
            services.AddSingleton<OutboxInterceptor<TDbContext>>();
            services.ConfigureDbContext<TDbContext>((provider, options) =>
                options.AddInterceptors(provider.GetRequiredService<OutboxInterceptor<TDbContext>>()));
            services.AddScoped<DbContextOutbox<TDbContext>>();
        }

        services.AddScoped<DbContextScopedBusContext<TBus, TDbContext>>();
        services.Replace(ServiceDescriptor.Scoped<IScopedBusContextProvider<TBus>, OutboxScopedBusContextProvider<TBus, TDbContext>>());
    }

    private void RegisterDelivery(IServiceCollection services)
    {
        services.AddHostedService<OutboxDeliveryService<TDbContext>>();
        services.AddHostedService<OutboxMonitor<TDbContext>>();
        if (LockStatementProvider is not PostgresLockStatementProvider)
            return;
        services.AddSingleton(provider => new OutboxListenerTarget(
            scope => scope.GetRequiredService<TDbContext>(), provider.GetRequiredService<OutboxSignal<TDbContext>>().Wake));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, OutboxListener>());
    }

    private static void RegisterHealth(IServiceCollection services) => services.AddHealthChecks().Add(new HealthCheckRegistration(
        $"outbox-{typeof(TDbContext).Name}", provider => new OutboxHealthCheck<TDbContext>(provider.GetRequiredService<OutboxFailures<TDbContext>>()),
        HealthStatus.Degraded, ["masstransit"]));

    private OutboxOptions<TDbContext> Options()
    {
        if (QueryDelay <= TimeSpan.Zero || QueryTimeout <= TimeSpan.Zero || MessageDeliveryTimeout <= TimeSpan.Zero
            || DuplicateDetectionWindow <= TimeSpan.Zero || QueryMessageLimit < 1 || MessageDeliveryLimit < 1)
            throw new ConfigurationException($"The outbox of {typeof(TDbContext).Name} needs a {nameof(QueryDelay)}, {nameof(QueryTimeout)}, "
                + $"{nameof(MessageDeliveryTimeout)} and {nameof(DuplicateDetectionWindow)} above zero, and a {nameof(QueryMessageLimit)} and "
                + $"{nameof(MessageDeliveryLimit)} of at least 1.");

        return new OutboxOptions<TDbContext>
        {
            Sql = LockStatementProvider is SqlLockStatementProvider { Outbox: not null } sql ? sql : throw new ConfigurationException(
                $"The outbox of {typeof(TDbContext).Name} does not know its database; call UsePostgres() or UseSqlite()."),
            IsolationLevel = IsolationLevel,
            QueryDelay = QueryDelay,
            QueryTimeout = QueryTimeout,
            QueryMessageLimit = QueryMessageLimit,
            MessageDeliveryLimit = MessageDeliveryLimit,
            MessageDeliveryTimeout = MessageDeliveryTimeout,
            DuplicateDetectionWindow = DuplicateDetectionWindow,
            Delivers = _delivers,
        };
    }
}
