using System.Collections.Concurrent;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The outboxes whose delivery failed in this process, each with its own back-off.</summary>
internal sealed class FailedOutboxes(TimeProvider clock)
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<Guid, Failure> _failures = new();

    /// <summary>All of them, due or not.</summary>
    public Guid[] All => [.. _failures.Keys];

    public Guid[] Due(int limit)
    {
        var now = clock.GetUtcNow();
        return [.. _failures.Where(failure => failure.Value.RetryAt <= now).OrderBy(failure => failure.Value.RetryAt)
            .Take(limit).Select(failure => failure.Key)];
    }

    /// <summary>Waits twice as long as after the failure before, from one second up to a minute. Says how often it failed.</summary>
    public int Add(Guid outboxId) => _failures.AddOrUpdate(outboxId, _ => After(1), (_, last) => After(last.Attempts + 1)).Attempts;

    public void Remove(Guid outboxId) => _failures.TryRemove(outboxId, out _);

    private Failure After(int attempts)
    {
        var delay = TimeSpan.FromSeconds(Math.Pow(2, Math.Min(attempts - 1, 6)));
        return new Failure(attempts, clock.GetUtcNow() + (delay < Longest ? delay : Longest));
    }

    private sealed record Failure(int Attempts, DateTimeOffset RetryAt);
}
