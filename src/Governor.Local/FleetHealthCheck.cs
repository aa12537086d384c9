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
        // Those that a person has taken out of the fleet since are not waited for.
        var ids = LocalFleet.Registrations(size.Runtimes).Select(r => r.RuntimeId).ToList();
        var fleet = await db.Runtimes.AsNoTracking()
            .Where(r => ids.Contains(r.RuntimeId) && r.State != RuntimeState.Deregistering)
            .Select(r => new { r.State, r.HeardAt }).ToListAsync(cancellationToken);
        var ready = fleet.Count(r => r.State == RuntimeState.Ready && r.HeardAt >= started.StartedAt);
        return ready == fleet.Count
            ? HealthCheckResult.Healthy()
            : HealthCheckResult.Unhealthy($"{ready} of {fleet.Count} runtimes are ready and have reported.");
    }
}

/// <summary>When this process started.</summary>
internal sealed class LocalClock(TimeProvider clock)
{
    public DateTimeOffset StartedAt { get; } = clock.GetUtcNow();
}
