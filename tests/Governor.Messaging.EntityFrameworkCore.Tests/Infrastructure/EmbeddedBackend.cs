using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Transports.Fabric;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>A SQLite file and the in-memory transport.</summary>
public sealed class EmbeddedBackend : Backend
{
    private readonly string _folder = Directory.CreateTempSubdirectory("governor-efcore-").FullName;

    private string ConnectionString => $"Data Source={Path.Combine(_folder, "test.db")}";

    public override void UseDatabase(DbContextOptionsBuilder options) => options.UseSqlite(ConnectionString).UseSqliteWriteLock();

    public override void UseRetryingDatabase(DbContextOptionsBuilder options) => options
        .UseSqlite(ConnectionString, sqlite => sqlite.ExecutionStrategy(dependencies => new Retrying(dependencies))).UseSqliteWriteLock();

    public override ILockStatementProvider Locks { get; } = new SqliteLockStatementProvider();

    public override void UseDatabase(IEntityFrameworkOutboxConfigurator outbox) => outbox.UseSqlite();

    public override void UseDatabase(IEntityFrameworkSagaRepositoryConfigurator repository) => repository.UseSqlite();

    public override void UseTransport(
        IBusRegistrationConfigurator bus, Action<IBusRegistrationContext, IBusFactoryConfigurator> configure) =>
        bus.UsingInMemory((context, factory) => configure(context, factory));

    public override void RouteByKey<T>(IBusFactoryConfigurator bus, Func<T, string> key)
    {
        var factory = (IInMemoryBusFactoryConfigurator)bus;
        factory.Publish<T>(publish => publish.ExchangeType = ExchangeType.Direct);
        factory.Send<T>(send => send.UseRoutingKeyFormatter(context => key(context.Message)));
    }

    public override void Bind<T>(IReceiveEndpointConfigurator endpoint, string key)
    {
        endpoint.ConfigureConsumeTopology = false;
        ((IInMemoryReceiveEndpointConfigurator)endpoint).Bind<T>(ExchangeType.Direct, key);
    }

    public override void ConfigureEndpoints(IBusFactoryConfigurator bus, IBusRegistrationContext context) =>
        ((IInMemoryBusFactoryConfigurator)bus).ConfigureEndpoints(context);

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await using var context = CreateContext();
        await context.Database.ExecuteSqlRawAsync("PRAGMA journal_mode = WAL");
    }

    public override ValueTask DisposeAsync()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    private sealed class Retrying(ExecutionStrategyDependencies dependencies)
        : ExecutionStrategy(dependencies, maxRetryCount: 3, maxRetryDelay: TimeSpan.FromMilliseconds(200))
    {
        protected override bool ShouldRetryOn(Exception exception) => exception is SqliteException { IsTransient: true };
    }
}
