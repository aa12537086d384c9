using Governor.Director.Persistence;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Governor.Director.Operations;

/// <summary>Starts what works on the database once its schema is there. Until then the HTTP interface is up and
/// <c>/health/ready</c> says what is missing; a consumer that ran earlier would make dead letters of good messages.</summary>
internal sealed partial class SchemaGate(
    IServiceScopeFactory scopes, DatabaseSetup setup, IReadOnlyList<Func<IHostedService>> gated, ILogger<SchemaGate> logger)
    : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private readonly List<IHostedService> started = [];

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        foreach (var service in Enumerable.Reverse(started))
            await service.StopAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await WaitForSchemaAsync(stoppingToken);
        foreach (var make in gated)
        {
            var service = make();
            started.Add(service);
            await service.StartAsync(stoppingToken);
        }
    }

    private async Task WaitForSchemaAsync(CancellationToken stoppingToken)
    {
        string? said = null;
        using var timer = new PeriodicTimer(LookEvery);
        do
        {
            var missing = await MissingAsync(stoppingToken);
            if (missing is null)
                return;
            if (missing != said)
                LogWaiting(said = missing);
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task<string?> MissingAsync(CancellationToken stoppingToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<DirectorDbContext>();
        try
        {
            await setup.PrepareAsync(db, stoppingToken);
            return await setup.MissingAsync(db, stoppingToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return $"The database cannot be prepared: {e.Message}";
        }
    }

    [LoggerMessage(2602, LogLevel.Warning, "Waiting for the database. {Missing}")]
    private partial void LogWaiting(string missing);
}

internal static class SchemaGateRegistration
{
    /// <summary>Puts every hosted service registered so far behind the gate, in their order. The web server is not among
    /// them: it is added when the application is built.</summary>
    public static void StartOnceSchemaIsThere(this IServiceCollection services)
    {
        var descriptors = services.Where(d => d.ServiceType == typeof(IHostedService)).ToList();
        services.RemoveAll<IHostedService>();
        services.AddSingleton<IHostedService>(provider => ActivatorUtilities.CreateInstance<SchemaGate>(
            provider, (object)descriptors.ConvertAll<Func<IHostedService>>(d => () => Make(provider, d))));
    }

    private static IHostedService Make(IServiceProvider provider, ServiceDescriptor descriptor) =>
        (IHostedService)(descriptor.ImplementationInstance
            ?? descriptor.ImplementationFactory?.Invoke(provider)
            ?? ActivatorUtilities.CreateInstance(provider, descriptor.ImplementationType!));
}
