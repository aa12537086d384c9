using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>A database and a transport, owned by one test class.</summary>
public abstract class Backend : IAsyncLifetime
{
    public abstract void UseDatabase(DbContextOptionsBuilder options);

    /// <summary>The database with an execution strategy that repeats what failed for a moment.</summary>
    public abstract void UseRetryingDatabase(DbContextOptionsBuilder options);

    /// <summary>The row locks of the database.</summary>
    public abstract ILockStatementProvider Locks { get; }

    public abstract void UseDatabase(IEntityFrameworkOutboxConfigurator outbox);

    public abstract void UseDatabase(IEntityFrameworkSagaRepositoryConfigurator repository);

    public abstract void UseTransport(IBusRegistrationConfigurator bus, Action<IBusRegistrationContext, IBusFactoryConfigurator> configure);

    /// <summary>Declares that a message goes to the queues bound with its routing key.</summary>
    public abstract void RouteByKey<T>(IBusFactoryConfigurator bus, Func<T, string> key) where T : class;

    /// <summary>Binds a queue to a message's exchange with one routing key.</summary>
    public abstract void Bind<T>(IReceiveEndpointConfigurator endpoint, string key) where T : class;

    /// <summary>Gives every registered consumer, saga and activity its endpoint.</summary>
    public abstract void ConfigureEndpoints(IBusFactoryConfigurator bus, IBusRegistrationContext context);

    public virtual async ValueTask InitializeAsync()
    {
        await using var context = CreateContext();
        await context.Database.EnsureCreatedAsync();
    }

    public abstract ValueTask DisposeAsync();

    public TestDbContext CreateContext()
    {
        var options = new DbContextOptionsBuilder<TestDbContext>();
        UseDatabase(options);
        return new TestDbContext(options.Options);
    }
}
