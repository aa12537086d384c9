using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>Applications that are put together as each test wants it.</summary>
public sealed class AppHost : IAsyncDisposable
{
    private readonly IHost _host;

    private AppHost(IHost host) => _host = host;

    public Recorder Recorder => Service<Recorder>();

    public T Service<T>() where T : notnull => _host.Services.GetRequiredService<T>();

    public static async Task<AppHost> StartAsync(Action<IServiceCollection, Recorder> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(settings: null);
        var recorder = new Recorder();
        builder.Services.AddSingleton(TestHost.Loggers);
        builder.Services.AddSingleton(recorder);
        builder.Services.Configure<MassTransitHostOptions>(options => options.WaitUntilStarted = true);
        configure(builder.Services, recorder);
        var host = builder.Build();
        await host.StartAsync();
        return new AppHost(host);
    }

    /// <summary>Makes the tables of a DbContext that are not there, and empties those of its outbox.</summary>
    public static async Task CreateTablesAsync(DbContext context)
    {
        await using (context)
        {
            try
            {
                await context.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();
            }
            catch (Exception exception) when (exception is System.Data.Common.DbException)
            {
                // Tests of a class share a database: they are there.
                await context.Set<OutboxMessage>().ExecuteDeleteAsync();
                await context.Set<OutboxState>().ExecuteDeleteAsync();
                await context.Set<InboxState>().ExecuteDeleteAsync();
            }
        }
    }

    public async Task InScopeAsync(Func<IServiceProvider, Task> action)
    {
        await using var scope = _host.Services.CreateAsyncScope();
        await action(scope.ServiceProvider);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}

/// <summary>A DbContext whose model depends on nothing but its type, and whose names its options give.</summary>
public class AppDbContext(DbContextOptions options) : DbContext(options)
{
    public DbSet<Entry> Entries => Set<Entry>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.AddTransactionalOutboxEntities();
        modelBuilder.Entity<Entry>().HasKey(entry => entry.Id);
    }
}

public sealed class Entry
{
    public Guid Id { get; set; }
}

/// <summary>Tables of other names in a schema of their own.</summary>
public sealed class SchemaDbContext(DbContextOptions<SchemaDbContext> options) : AppDbContext(options)
{
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.HasDefaultSchema("app");
        modelBuilder.AddInboxStateEntity();
        modelBuilder.AddOutboxStateEntity(entity => entity.ToTable("outboxes"));
        modelBuilder.AddOutboxMessageEntity(entity => entity.ToTable("outgoing", "mail"));
        modelBuilder.Entity<Entry>().HasKey(entry => entry.Id);
    }
}

public sealed class PlainDbContext(DbContextOptions<PlainDbContext> options) : AppDbContext(options);

public sealed class SnakeDbContext(DbContextOptions<SnakeDbContext> options) : AppDbContext(options)
{
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.Entity<Entry>().ToTable("snake_entry"); // SQLite does not tell "entries" from "Entries".
    }
}

public sealed class OtherDbContext(DbContextOptions<OtherDbContext> options) : AppDbContext(options)
{
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.AddInboxStateEntity(entity => entity.ToTable("other_inbox"));
        modelBuilder.AddOutboxStateEntity(entity => entity.ToTable("other_outbox"));
        modelBuilder.AddOutboxMessageEntity(entity => entity.ToTable("other_message"));
        modelBuilder.Entity<Entry>().ToTable("other_entry").HasKey(entry => entry.Id);
    }
}

public static class AppOutbox
{
    /// <summary>An outbox as tests use it.</summary>
    public static void AddTestOutbox<TDbContext>(
        this IBusRegistrationConfigurator bus, Backend backend, Action<IEntityFrameworkOutboxConfigurator>? configure = null)
        where TDbContext : DbContext =>
        bus.AddEntityFrameworkOutbox<TDbContext>(outbox =>
        {
            backend.UseDatabase(outbox);
            outbox.IsolationLevel = IsolationLevel.ReadCommitted;
            outbox.QueryDelay = TimeSpan.FromMilliseconds(200);
            outbox.UseBusOutbox();
            configure?.Invoke(outbox);
        });
}
