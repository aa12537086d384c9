using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Governor.Local;

/// <summary>Green once every runtime of the seeded fleet is ready and has reported since the start.</summary>
internal sealed class FleetHealthCheck(DirectorDbContext db, LocalSize size, LocalClock started) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var ids = LocalFleet.Registrations(size.Runtimes).Select(r => r.RuntimeId).ToList();
        var ready = await db.Runtimes.CountAsync(
            r => ids.Contains(r.RuntimeId) && r.State == RuntimeState.Ready && r.HeardAt >= started.StartedAt, cancellationToken);
        return ready == ids.Count
            ? HealthCheckResult.Healthy()
            : HealthCheckResult.Unhealthy($"{ready} of {ids.Count} runtimes are ready and have reported.");
    }
}

/// <summary>When this process started.</summary>
internal sealed class LocalClock(TimeProvider clock)
{
    public DateTimeOffset StartedAt { get; } = clock.GetUtcNow();
}
