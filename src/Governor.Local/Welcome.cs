using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Governor.Local;

/// <summary>Says, once the fleet is ready, where the API is and what to try.</summary>
internal sealed class Welcome(
    HealthCheckService health, IServer server, IHostApplicationLifetime lifetime, LocalSize size, LocalFolder folder)
    : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = lifetime.ApplicationStarted.Register(started.SetResult);
        await started.Task.WaitAsync(stoppingToken);
        using var timer = new PeriodicTimer(LookEvery);
        while ((await health.CheckHealthAsync(stoppingToken)).Status != HealthStatus.Healthy)
            await timer.WaitForNextTickAsync(stoppingToken);

        var address = server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault();
        Console.WriteLine(
            $"""

             The Governor is ready: {size.Runtimes} runtimes, API at {address}
             Their files appear in {folder.Runtimes}

             Try, in the root of the repository:
               curl {address}/api/v1/runtimes
               curl -X PUT {address}/api/v1/configurations/logging-service -d @contracts/examples/logging-service.json
               curl {address}/admin/rollouts

             Stop with Ctrl+C; the state stays. Start with --reset to begin anew.

             """);
    }
}
