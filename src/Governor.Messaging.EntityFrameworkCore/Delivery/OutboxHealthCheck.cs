using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Says which outboxes this process cannot deliver: it is degraded, for all others are delivered.</summary>
internal sealed class OutboxHealthCheck<TDbContext>(OutboxFailures<TDbContext> failures) : IHealthCheck
{
    private const int Named = 10;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var undeliverable = failures.Outboxes.Undeliverable.Concat(failures.Inbox.Undeliverable).OrderBy(failure => failure.Value.Since).ToList();
        if (undeliverable.Count == 0)
            return Task.FromResult(HealthCheckResult.Healthy("Every outbox is delivered."));
        var data = undeliverable.Take(Named).ToDictionary(
            failure => failure.Key.ToString(), failure => (object)$"waits since {failure.Value.Since:O}, {failure.Value.Attempts} attempts");
        return Task.FromResult(new HealthCheckResult(context.Registration.FailureStatus,
            $"{undeliverable.Count} outboxes cannot be delivered, the oldest message waits since {undeliverable[0].Value.Since:O}; "
            + "the log says why. Each is tried again on its own.", data: data));
    }
}
