using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Governor.Benchmarks;

/// <summary>About as long as a report or a small configuration.</summary>
public sealed record Payload(Guid Id, string Text)
{
    public static string Body { get; } = string.Concat(Enumerable.Range(0, 500).Select(i => (char)('a' + (i % 26))));
}

/// <summary>Sent on by the consumer of a <see cref="Payload"/>.</summary>
public sealed record Sent(Guid Id, string Text);

public sealed record Counted(Guid CorrelationId, string Text) : CorrelatedBy<Guid>;

public sealed class Counter : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "Counting";

    public int Count { get; set; }

    public string Text { get; set; } = "";
}

public sealed class CounterStateMachine : MassTransitStateMachine<Counter>
{
    public CounterStateMachine()
    {
        InstanceState(counter => counter.CurrentState);
        During(Counting, When(Counted).Then(context => context.Saga.Count++));
    }

    public State Counting { get; private set; } = null!;

    public Event<Counted> Counted { get; private set; } = null!;
}

public sealed class BenchmarkDbContext(DbContextOptions<BenchmarkDbContext> options) : DbContext(options)
{
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.AddTransactionalOutboxEntities();
        modelBuilder.Entity<Counter>().HasKey(counter => counter.CorrelationId);
    }
}

/// <summary>A process with a bus and an outbox, as an application would have it.</summary>
internal sealed class BenchmarkHost : IAsyncDisposable
{
    // MassTransit keeps the last host's loggers in a static field: they must outlive every host.
    private static readonly ILoggerFactory Loggers = LoggerFactory.Create(logging => logging
        .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace).SetMinimumLevel(LogLevel.Error));

    private readonly IHost _host;

    private BenchmarkHost(IHost host, Tally confirmed) => (_host, Confirmed) = (host, confirmed);

    public IBus Bus => _host.Services.GetRequiredService<IBus>();

    /// <summary>Counts what the broker has confirmed for this process.</summary>
    public Tally Confirmed { get; }

    public static async Task<BenchmarkHost> StartAsync(Servers servers, Action<IBusRegistrationConfigurator>? register = null,
        Action<IBusRegistrationContext, IRabbitMqBusFactoryConfigurator>? configure = null, bool delivers = true, Tally? confirmed = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(settings: null);
        builder.Services.AddSingleton(Loggers);
        builder.Services.Configure<MassTransitHostOptions>(o => o.WaitUntilStarted = true);
        builder.Services.AddDbContextPool<BenchmarkDbContext>(options => options.UseNpgsql(servers.ConnectionString));
        builder.Services.AddMassTransit(bus =>
        {
            bus.AddEntityFrameworkOutbox<BenchmarkDbContext>(o =>
            {
                o.UsePostgres();
                o.IsolationLevel = IsolationLevel.ReadCommitted;
                // Cases say when delivery begins; no look of its own may be earlier.
                o.QueryDelay = TimeSpan.FromMinutes(10);
                o.UseBusOutbox(b =>
                {
                    if (!delivers)
                        b.DisableDeliveryService();
                });
            });
            register?.Invoke(bus);
            bus.UsingRabbitMq((context, factory) =>
            {
                factory.Host(servers.Host, (ushort)servers.Port, servers.Name, host =>
                {
                    host.Username(servers.User);
                    host.Password(servers.Password);
                });
                configure?.Invoke(context, factory);
            });
        });
        confirmed ??= new Tally();
        builder.Services.AddSendObserver(_ => confirmed);
        var host = new BenchmarkHost(builder.Build(), confirmed);
        await host._host.StartAsync();
        return host;
    }

    public static async Task CreateTablesAsync(Servers servers, CancellationToken cancellationToken)
    {
        await using var context = new BenchmarkDbContext(
            new DbContextOptionsBuilder<BenchmarkDbContext>().UseNpgsql(servers.ConnectionString).Options);
        await context.GetService<IRelationalDatabaseCreator>().CreateTablesAsync(cancellationToken);
    }

    /// <summary>One transaction with one message and nothing else.</summary>
    public async Task SendThroughOutboxAsync(Uri address, Guid id)
    {
        await using var scope = _host.Services.CreateAsyncScope();
        var endpoint = await scope.ServiceProvider.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(address);
        await endpoint.Send(new Payload(id, Payload.Body));
        await scope.ServiceProvider.GetRequiredService<BenchmarkDbContext>().SaveChangesAsync();
    }

    public async Task<T> ReadAsync<T>(Func<BenchmarkDbContext, Task<T>> query)
    {
        await using var scope = _host.Services.CreateAsyncScope();
        return await query(scope.ServiceProvider.GetRequiredService<BenchmarkDbContext>());
    }

    /// <summary>Waits until nothing is left in the outbox, so that the next run starts clean.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (await ReadAsync(db => db.Set<OutboxMessage>().AnyAsync(cancellationToken)))
            await timer.WaitForNextTickAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}

/// <summary>Counts events, and says when there have been enough.</summary>
internal sealed class Tally : ISendObserver
{
    /// <summary>Nothing here takes as long, unless something was lost.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Lock _lock = new();
    private int _count;
    private int _target = int.MaxValue;
    private int _first;
    private long _started;
    private TaskCompletionSource<long> _reached = new();

    /// <summary>Counts so many after the first few, in which everything warms up; gives how long they took.</summary>
    public async Task<TimeSpan> TimeAsync(int first, int count)
    {
        Task<long> reached;
        lock (_lock)
        {
            _first = first;
            reached = CountTo(first + count);
        }

        var ended = await reached.WaitAsync(Patience);
        return System.Diagnostics.Stopwatch.GetElapsedTime(_started, ended);
    }

    /// <summary>Starts again; gives the <see cref="System.Diagnostics.Stopwatch"/> time at which so many will have been.</summary>
    public Task<long> CountTo(int target)
    {
        lock (_lock)
        {
            (_count, _target) = (0, target);
            _reached = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
            return _reached.Task;
        }
    }

    public void Add()
    {
        lock (_lock)
        {
            if (++_count == _first)
                _started = System.Diagnostics.Stopwatch.GetTimestamp();
            if (_count == _target)
                _reached.TrySetResult(System.Diagnostics.Stopwatch.GetTimestamp());
        }
    }

    public Task PreSend<T>(SendContext<T> context) where T : class => Task.CompletedTask;

    public Task PostSend<T>(SendContext<T> context) where T : class
    {
        Add();
        return Task.CompletedTask;
    }

    public Task SendFault<T>(SendContext<T> context, Exception exception) where T : class => Task.CompletedTask;
}
