using MassTransit.Configuration;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit;

/// <summary>Registers the transactional outbox.</summary>
public static class EntityFrameworkOutboxConfigurationExtensions
{
    /// <summary>Adds an outbox and an inbox in the database of a DbContext, and the services that deliver and clean up.</summary>
    /// <remarks>Buses may each have a DbContext of their own, or share one, whose settings are those of the first.</remarks>
    /// <param name="configurator">The registration of the bus; of a further one in <c>AddMassTransit&lt;TBus&gt;</c>.</param>
    /// <param name="configure">Settings; the kind of database must be among them.</param>
    /// <typeparam name="TDbContext">The DbContext, registered with AddDbContext or AddDbContextPool.</typeparam>
    /// <exception cref="ConfigurationException">A setting is missing or out of its range.</exception>
    public static void AddEntityFrameworkOutbox<TDbContext>(
        this IBusRegistrationConfigurator configurator, Action<IEntityFrameworkOutboxConfigurator>? configure = null)
        where TDbContext : DbContext
    {
        var busType = configurator.GetType().GetInterfaces()
            .Where(type => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IBusRegistrationConfigurator<>))
            .Select(type => type.GenericTypeArguments[0]).FirstOrDefault(typeof(IBus));
        var register = new Action<IServiceCollection, Action<IEntityFrameworkOutboxConfigurator>?>(Register<IBus, TDbContext>).Method
            .GetGenericMethodDefinition().MakeGenericMethod(busType, typeof(TDbContext));
        register.CreateDelegate<Action<IServiceCollection, Action<IEntityFrameworkOutboxConfigurator>?>>()(configurator, configure);
    }

    /// <summary>
    /// Runs every consumer, saga and activity of a receive endpoint in one transaction of its scope's DbContext, which also holds what it
    /// publishes and sends. Needs <see cref="AddEntityFrameworkOutbox{TDbContext}"/>. Batch consumers are left alone.
    /// </summary>
    /// <remarks>At the end the DbContext is saved. Configure retries outside: every attempt gets a scope and a DbContext of its own.</remarks>
    /// <param name="configurator">The receive endpoint, before its consumers are configured.</param>
    /// <param name="context">The registration of the bus.</param>
    /// <param name="configure">How long the broker may take to confirm what a consumer of this endpoint sends; without it, the outbox's
    /// <see cref="IEntityFrameworkBusOutboxConfigurator.MessageDeliveryTimeout"/> holds. There is no limit to the number of messages.</param>
    /// <typeparam name="TDbContext">The DbContext that owns the outbox.</typeparam>
    /// <exception cref="ConfigurationException">The DbContext has no outbox, or the time is not above zero.</exception>
    public static void UseEntityFrameworkOutbox<TDbContext>(
        this IReceiveEndpointConfigurator configurator, IRegistrationContext context, Action<IOutboxOptionsConfigurator>? configure = null)
        where TDbContext : DbContext
    {
        var outbox = context.GetService<OutboxOptions<TDbContext>>() ?? throw new ConfigurationException(
            $"{configurator.InputAddress} is to use the outbox of {typeof(TDbContext).Name}; add it with AddEntityFrameworkOutbox<{typeof(TDbContext).Name}>().");
        var observer = new OutboxConsumePipeSpecificationObserver<TDbContext>(configurator, context)
        {
            MessageDeliveryLimit = outbox.MessageDeliveryLimit,
            MessageDeliveryTimeout = outbox.MessageDeliveryTimeout,
        };
        configure?.Invoke(observer);
        if (observer.MessageDeliveryTimeout <= TimeSpan.Zero)
            throw new ConfigurationException($"{configurator.InputAddress} needs a {nameof(observer.MessageDeliveryTimeout)} above zero.");
        outbox.AllowConsumers(observer.MessageDeliveryTimeout);
        configurator.ConnectConsumerConfigurationObserver(observer);
        configurator.ConnectSagaConfigurationObserver(observer);
        configurator.ConnectActivityConfigurationObserver(observer);
        configurator.ConnectActivityConfigurationObserver(new ActivityAttemptObserver());
    }

    /// <summary>The outbox lies in PostgreSQL.</summary>
    /// <param name="configurator">The outbox.</param>
    /// <param name="enableSchemaCaching">Whether a lock statement is written once for each model.</param>
    /// <returns>The same configurator.</returns>
    public static IEntityFrameworkOutboxConfigurator UsePostgres(this IEntityFrameworkOutboxConfigurator configurator, bool enableSchemaCaching = true)
    {
        configurator.LockStatementProvider = new PostgresLockStatementProvider(enableSchemaCaching);
        return configurator;
    }

    /// <summary>The outbox lies in PostgreSQL, in a schema that the model does not name.</summary>
    /// <param name="configurator">The outbox.</param>
    /// <param name="schemaName">The schema of what the model gives none; for lock statements.</param>
    /// <param name="enableSchemaCaching">Whether a lock statement is written once for each model.</param>
    /// <returns>The same configurator.</returns>
    public static IEntityFrameworkOutboxConfigurator UsePostgres(this IEntityFrameworkOutboxConfigurator configurator, string schemaName, bool enableSchemaCaching = true)
    {
        configurator.LockStatementProvider = new PostgresLockStatementProvider(schemaName, enableSchemaCaching);
        return configurator;
    }

    /// <summary>The outbox lies in SQLite: only one process may deliver it.</summary>
    /// <param name="configurator">The outbox.</param>
    /// <param name="enableSchemaCaching">Whether a lock statement is written once for each model.</param>
    /// <returns>The same configurator.</returns>
    public static IEntityFrameworkOutboxConfigurator UseSqlite(this IEntityFrameworkOutboxConfigurator configurator, bool enableSchemaCaching = true)
    {
        configurator.LockStatementProvider = new SqliteLockStatementProvider(enableSchemaCaching);
        return configurator;
    }

    private static void Register<TBus, TDbContext>(IServiceCollection services, Action<IEntityFrameworkOutboxConfigurator>? configure)
        where TBus : class, IBus
        where TDbContext : DbContext
    {
        var outbox = new EntityFrameworkOutboxConfigurator<TBus, TDbContext>();
        configure?.Invoke(outbox);
        outbox.Register(services);
    }
}
