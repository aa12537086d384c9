using System.Collections.Frozen;
using Governor.Contracts;
using Governor.Director.Drift;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Reports;
using Governor.Messaging;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Governor.Director.Tests.Hosting;

/// <summary>A whole Director, registered as it is for real, on SQLite and the in-memory transport, with a fake Agent for each
/// of <see cref="Fleet.Runtimes"/>. The drift job runs only when it is asked to over HTTP.</summary>
internal sealed class DirectorHost : IAsyncDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("governor-director-tests-").FullName;
    private readonly FrozenDictionary<string, FakeAgent> agents =
        Fleet.Runtimes.ToFrozenDictionary(id => id, id => new FakeAgent(id), StringComparer.Ordinal);
    private readonly WebApplication app;

    private DirectorHost(LogRecords? log, (string Key, string Value)[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        if (log is not null)
            builder.Logging.AddProvider(log);
        builder.Configuration.AddInMemoryCollection(settings
            .Prepend(("Drift:Interval", "01:00:00")).Append((GovernorBus.TransportKey, "InMemory"))
            .Select(setting => KeyValuePair.Create<string, string?>(setting.Item1, setting.Item2)));
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.AddDirectorOnSqlite(Path.Combine(folder, "director.db"));
        builder.Services.ConfigureDbContext<DirectorDbContext>(options => options.AddInterceptors(new PostgresText()));
        builder.Services.AddSingleton<TimeProvider>(Clock);
        RemoveSchedule(builder.Services);
        builder.Services.AddGovernorBus(builder.Configuration, bus =>
        {
            bus.AddDirector(onPostgres: false);
            bus.Endpoints((context, configurator) =>
            {
                configurator.DirectorEndpoint(context, Ear.Queue, endpoint => endpoint.Instance(Ear));
                foreach (var agent in agents.Values)
                {
                    configurator.RuntimeEndpoint(context, agent.RuntimeId, endpoint =>
                    {
                        endpoint.ConcurrentMessageLimit = 1;
                        endpoint.Instance(agent);
                    });
                }
            });
        });
        app = builder.Build();
        app.MapDirector();
    }

    public TestClock Clock { get; } = new();

    public Ear Ear { get; } = new();

    public HttpClient Http { get; } = new();

    public IServiceProvider Services => app.Services;

    public FakeAgent this[string runtimeId] => agents[runtimeId];

    public static Task<DirectorHost> StartAsync(params (string Key, string Value)[] settings) => StartAsync(log: null, settings);

    /// <summary>Starts one whose log is kept.</summary>
    public static async Task<DirectorHost> StartAsync(LogRecords? log, params (string Key, string Value)[] settings)
    {
        // What a former host of this process left there logs into services that are disposed.
        LogContext.Current = null!;
        var host = new DirectorHost(log, settings);
        await using (var scope = host.Services.CreateAsyncScope())
        {
            await scope.ServiceProvider.GetRequiredService<DatabaseSetup>().PrepareAsync(
                scope.ServiceProvider.GetRequiredService<DirectorDbContext>(), TestContext.Current.CancellationToken);
        }

        await host.app.StartAsync(TestContext.Current.CancellationToken);
        host.Http.BaseAddress = new Uri(host.app.Urls.Single());
        await Eventually.IsTrueAsync(
            () => host.Services.GetRequiredService<IBusControl>().CheckHealth().Status == BusHealthStatus.Healthy, "the bus");
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Reads the database, in a scope of its own.</summary>
    public async Task<T> ReadAsync<T>(Func<DirectorDbContext, Task<T>> read)
    {
        await using var scope = Services.CreateAsyncScope();
        return await read(scope.ServiceProvider.GetRequiredService<DirectorDbContext>());
    }

    /// <summary>Does something to the database that no interface of the Director does, in one transaction.</summary>
    public Task ChangeAsync(Func<DirectorDbContext, Task> change) => InScopeAsync(async services =>
    {
        var db = services.GetRequiredService<DirectorDbContext>();
        await using var transaction = await db.Database.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await change(db);
        await db.SaveChangesAsync(TestContext.Current.CancellationToken);
        await transaction.CommitAsync(TestContext.Current.CancellationToken);
    });

    public async Task InScopeAsync(Func<IServiceProvider, Task> work)
    {
        await using var scope = Services.CreateAsyncScope();
        await work(scope.ServiceProvider);
    }

    /// <summary>Publishes as an Agent does.</summary>
    public Task PublishAsync<T>(T message)
        where T : class => Services.GetRequiredService<IBus>().Publish(message, TestContext.Current.CancellationToken);

    /// <summary>Records reports in one batch, and returns once that is committed; tells the sagas as the consumer does.</summary>
    public Task RecordAsync(params RuntimeReported[] batch) => InScopeAsync(async services =>
    {
        var progressed = await services.GetRequiredService<ReportRecorder>().RecordAsync(batch, TestContext.Current.CancellationToken);
        foreach (var rolloutId in progressed)
            await PublishAsync(new TargetsProgressed(rolloutId));
    });

    /// <summary>Does what <c>Governor.Director restored</c> does to a restored backup; the Director runs on.</summary>
    public async Task<RestoreResult> RestoreAsync()
    {
        await using var scope = Services.CreateAsyncScope();
        return await new RestoreStep(scope.ServiceProvider.GetRequiredService<DirectorDbContext>(), Clock).RunAsync(TestContext.Current.CancellationToken);
    }

    private static void RemoveSchedule(IServiceCollection services)
    {
        foreach (var descriptor in services
            .Where(d => d.ServiceType == typeof(IHostedService) && (d.ImplementationType == typeof(DriftSchedule)
                || d.ImplementationType?.Namespace?.StartsWith("Quartz", StringComparison.Ordinal) == true))
            .ToList())
        {
            services.Remove(descriptor);
        }
    }
}
