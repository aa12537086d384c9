using Governor.Agent;
using Governor.Director;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using Governor.Messaging;
using Microsoft.EntityFrameworkCore;

namespace Governor.Local;

/// <summary>The whole Governor in one process.</summary>
internal static class LocalApplication
{
    /// <summary>Runs until it is told to stop.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(bool reset, int runtimes, CancellationToken cancellationToken)
    {
        try
        {
            using var folder = LocalFolder.Take();
            var builder = Configure(folder, runtimes);
            var start = new StartUp(builder);
            await using var app = builder.Build();
            StartUp.CheckSettings(app.Services);
            if (reset)
                folder.Empty();
            app.Services.GetRequiredService<AgentFleet>(); // a key that cannot be read says so before anything else happens
            await PrepareAsync(app, runtimes, cancellationToken);
            app.MapDirector();
            app.SayWhereItListens();
            await start.RunAsync(app);
            return Environment.ExitCode; // not 0 where something had to stop it
        }
        catch (Exception e) when (e is StartException or AgentSettingsException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    private static WebApplicationBuilder Configure(LocalFolder folder, int runtimes)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.Sources.Insert(0, Defaults());
        builder.ListenOnLoopbackByDefault();
        builder.AddDirectorOnSqlite(folder.Database);
        builder.Configuration[GovernorBus.TransportKey] = "InMemory";
        builder.Services.AddGovernorBus(builder.Configuration, bus =>
        {
            bus.AddDirector(onPostgres: false);
            bus.AddAgents(LocalFleet.Agents(folder, runtimes));
        });
        builder.Services.AddSingleton(new LocalSize(runtimes));
        builder.Services.AddSingleton(folder);
        builder.Services.AddSingleton(new LocalClock(TimeProvider.System));
        builder.Services.AddHealthChecks().AddCheck<FleetHealthCheck>("fleet", tags: [Health.Ready]);
        builder.Services.AddHostedService<Welcome>();
        return builder;
    }

    /// <summary>Settings that suit a tour; every other source wins over them.</summary>
    private static Microsoft.Extensions.Configuration.Memory.MemoryConfigurationSource Defaults() => new()
    {
        InitialData = new Dictionary<string, string?>
        {
            ["Drift:Interval"] = "00:00:15",
            ["Delivery:Deadline"] = "00:00:10",
            // Until the fleet is ready it is unhealthy, and looked at often: the welcome says when it is.
            ["Logging:LogLevel:Microsoft.Extensions.Diagnostics.HealthChecks"] = "None",
        },
    };

    /// <summary>Makes the schema, seeds the fleet, and takes up what a former run left unfinished.</summary>
    private static async Task PrepareAsync(WebApplication app, int runtimes, CancellationToken cancellationToken)
    {
        await using (var scope = app.Services.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<DirectorDbContext>();
            await scope.ServiceProvider.GetRequiredService<DatabaseSetup>().PrepareAsync(db, cancellationToken);
        }

        await using (var scope = app.Services.CreateAsyncScope())
            await EmbeddedRecovery.RunAsync(scope.ServiceProvider, cancellationToken);

        var wanted = LocalFleet.Registrations(runtimes);
        await using (var scope = app.Services.CreateAsyncScope())
        {
            var registered = await scope.ServiceProvider.GetRequiredService<FleetRegistry>()
                .RegisterAsync(RequestFacts.DefaultTenant, await MissingAsync(scope.ServiceProvider, wanted, cancellationToken), null, cancellationToken);
            if (!registered.Succeeded)
                throw new StartException(registered.Refusal.Detail);
        }

        await RemoveSurplusAsync(app, wanted, cancellationToken);
    }

    /// <summary>Those that are not registered yet: labels that were changed in a former run stay.</summary>
    private static async Task<IReadOnlyList<RuntimeRegistration>> MissingAsync(
        IServiceProvider services, IReadOnlyList<RuntimeRegistration> wanted, CancellationToken cancellationToken)
    {
        var present = await services.GetRequiredService<DirectorDbContext>().Runtimes
            .Select(r => r.RuntimeId).ToHashSetAsync(StringComparer.Ordinal, cancellationToken);
        return [.. wanted.Where(r => !present.Contains(r.RuntimeId))];
    }

    /// <summary>A smaller fleet than before: nobody serves the others any more.</summary>
    private static async Task RemoveSurplusAsync(
        WebApplication app, IReadOnlyList<RuntimeRegistration> wanted, CancellationToken cancellationToken)
    {
        await using var scope = app.Services.CreateAsyncScope();
        var present = await scope.ServiceProvider.GetRequiredService<DirectorDbContext>().Runtimes
            .Select(r => r.RuntimeId).ToListAsync(cancellationToken);
        foreach (var runtimeId in present.Where(LocalFleet.IsSeeded).Except(wanted.Select(r => r.RuntimeId)))
        {
            await using var own = app.Services.CreateAsyncScope();
            await own.ServiceProvider.GetRequiredService<Deregistration>()
                .BeginAsync(RequestFacts.DefaultTenant, runtimeId, force: true, expectedVersion: null, cancellationToken);
        }
    }
}

/// <summary>Number of runtimes of this run.</summary>
internal sealed record LocalSize(int Runtimes);
