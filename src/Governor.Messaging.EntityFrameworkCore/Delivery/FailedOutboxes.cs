using System.Collections.Concurrent;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The outboxes whose delivery failed in this process, each with its own back-off.</summary>
internal sealed class FailedOutboxes(TimeProvider clock)
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<Guid, Failure> _failures = new();

    /// <summary>All of them, due or not.</summary>
    public Guid[] All => [.. _failures.Keys];

    /// <summary>
    /// Those to try now, in groups. What failed once may have been hit by another's failure or a lost connection, and goes
    /// together; what failed again goes alone, so that it takes no other along, and after those that failed less often.
    /// </summary>
    public IEnumerable<Guid[]> Due(int limit)
    {
        var now = clock.GetUtcNow();
        var due = _failures.Where(failure => failure.Value.RetryAt <= now)
            .OrderBy(failure => failure.Value.Attempts).ThenBy(failure => failure.Value.RetryAt).Take(limit).ToLookup(
                failure => failure.Value.Attempts == 1, failure => failure.Key);
        if (due[true].Any())
            yield return [.. due[true]];
        foreach (var outboxId in due[false])
            yield return [outboxId];
    }

    /// <summary>Waits twice as long as after the failure before, from one second up to a minute. Says how often it failed.</summary>
    /// <param name="outboxId">The outbox.</param>
    /// <param name="madeProgress">Whether messages of it were delivered: the failure then counts as its first.</param>
    public int Add(Guid outboxId, bool madeProgress) =>
        _failures.AddOrUpdate(outboxId, _ => After(1), (_, last) => After(madeProgress ? 1 : last.Attempts + 1)).Attempts;

    public void Remove(Guid outboxId) => _failures.TryRemove(outboxId, out _);

    private Failure After(int attempts)
    {
        var delay = TimeSpan.FromSeconds(Math.Pow(2, Math.Min(attempts - 1, 6)));
        return new Failure(attempts, clock.GetUtcNow() + (delay < Longest ? delay : Longest));
    }

    private sealed record Failure(int Attempts, DateTimeOffset RetryAt);
}
