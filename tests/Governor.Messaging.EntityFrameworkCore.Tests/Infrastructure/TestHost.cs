using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>A process with a bus and an outbox.</summary>
public sealed class TestHost : IAsyncDisposable
{
    // MassTransit keeps the last host's loggers in a static field: they must outlive every host.
    public static readonly ILoggerFactory Loggers = LoggerFactory.Create(logging => logging
        .SetMinimumLevel(LogLevel.Warning).AddFilter("Microsoft.EntityFrameworkCore", LogLevel.None).AddConsole());

    private readonly IHost _host;

    private TestHost(IHost host) => (_host, Recorder) = (host, host.Services.GetRequiredService<Recorder>());

    public Recorder Recorder { get; }

    public CommandCounter Commands => Service<CommandCounter>();

    public T Service<T>() where T : notnull => _host.Services.GetRequiredService<T>();

    /// <summary>Starts a host on an empty database.</summary>
    public static async Task<TestHost> StartAsync(Backend backend, Action<IBusRegistrationConfigurator>? register = null,
        Action<IBusRegistrationContext, IBusFactoryConfigurator, Recorder>? configure = null,
        Action<IEntityFrameworkOutboxConfigurator>? outbox = null, bool empty = true, bool brokerIsUp = true)
    {
        if (empty)
            await EmptyAsync(backend);

        var builder = Host.CreateEmptyApplicationBuilder(settings: null);
        builder.Services.AddSingleton(Loggers);
        var recorder = new Recorder();
        var counter = new CommandCounter();
        builder.Services.AddSingleton(recorder);
        builder.Services.AddSingleton(counter);
        builder.Services.AddDbContext<TestDbContext>(options =>
        {
            backend.UseDatabase(options);
            options.AddInterceptors(counter);
        });
        // A bus that is stopped while it starts is not stopped: it would take messages from the next test.
        builder.Services.Configure<MassTransitHostOptions>(options => options.WaitUntilStarted = brokerIsUp);
        builder.Services.AddMassTransit(bus =>
        {
            bus.AddEntityFrameworkOutbox<TestDbContext>(o =>
            {
                backend.UseDatabase(o);
                o.UseBusOutbox();
                o.QueryDelay = TimeSpan.FromMilliseconds(200);
                o.IsolationLevel = IsolationLevel.ReadCommitted;
                outbox?.Invoke(o);
            });
            register?.Invoke(bus);
            backend.UseTransport(bus, (context, factory) =>
            {
                backend.RouteByKey<Routed>(factory, message => message.Key);
                configure?.Invoke(context, factory, recorder);
            });
        });

        var host = builder.Build();
        await host.StartAsync();
        return new TestHost(host);
    }

    /// <summary>Runs an action in a scope of its own.</summary>
    public async Task InScopeAsync(Func<IServiceProvider, TestDbContext, Task> action)
    {
        await using var scope = _host.Services.CreateAsyncScope();
        await action(scope.ServiceProvider, scope.ServiceProvider.GetRequiredService<TestDbContext>());
    }

    public async Task<T> ReadAsync<T>(Func<TestDbContext, Task<T>> query)
    {
        await using var scope = _host.Services.CreateAsyncScope();
        return await query(scope.ServiceProvider.GetRequiredService<TestDbContext>());
    }

    public Task OutboxIsEmptyAsync() => Eventually.HoldsAsync(
        async () => await ReadAsync(db => db.Set<OutboxMessage>().CountAsync()) == 0
            && await ReadAsync(db => db.Set<OutboxState>().CountAsync()) == 0,
        "everything in the outbox was delivered and deleted");

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }

    private static async Task EmptyAsync(Backend backend)
    {
        await using var context = backend.CreateContext();
        await context.Set<OutboxMessage>().ExecuteDeleteAsync();
        await context.Set<OutboxState>().ExecuteDeleteAsync();
        await context.Set<InboxState>().ExecuteDeleteAsync();
        await context.Notes.ExecuteDeleteAsync();
        await context.Orders.ExecuteDeleteAsync();
    }
}

public static class TestEndpoints
{
    /// <summary>A queue that records what comes for one routing key.</summary>
    public static void RecordRouted(this IBusFactoryConfigurator bus, Backend backend, Recorder recorder, string queue, string key) =>
        bus.ReceiveEndpoint(queue, endpoint =>
        {
            endpoint.ConcurrentMessageLimit = 1;
            backend.Bind<Routed>(endpoint, key);
            endpoint.Handler<Routed>(context =>
            {
                recorder.Add(new Recorded(queue, context.Message, context));
                return Task.CompletedTask;
            });
        });

    /// <summary>A queue that records every message of a type.</summary>
    public static void Record<T>(this IBusFactoryConfigurator bus, Recorder recorder, string queue) where T : class =>
        bus.ReceiveEndpoint(queue, endpoint =>
        {
            endpoint.ConcurrentMessageLimit = 1;
            endpoint.Handler<T>(context =>
            {
                recorder.Add(new Recorded(queue, context.Message, context));
                return Task.CompletedTask;
            });
        });
}
