using System.Collections.Concurrent;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>What this process knows of deliveries that fail.</summary>
internal sealed class OutboxFailures<TDbContext>(TimeProvider clock)
{
    /// <summary>Outboxes, by their id.</summary>
    public FailedOutboxes Outboxes { get; } = new(clock);

    /// <summary>What consumers left behind, by the id of the received message.</summary>
    public FailedOutboxes Inbox { get; } = new(clock);
}

/// <summary>An outbox whose delivery failed.</summary>
/// <param name="Attempts">How often in a row without progress.</param>
/// <param name="Since">When its oldest message was sent by the application, UTC.</param>
/// <param name="RetryAt">When it is tried again.</param>
internal sealed record OutboxFailure(int Attempts, DateTime Since, DateTimeOffset RetryAt);

/// <summary>The outboxes whose delivery failed in this process, each with its own back-off.</summary>
internal sealed class FailedOutboxes(TimeProvider clock)
{
    /// <summary>From this many attempts on, an outbox is thought to be undeliverable, and not just unlucky.</summary>
    public const int Poisoned = 3;

    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<Guid, OutboxFailure> _failures = new();

    /// <summary>All of them, due or not.</summary>
    public Guid[] All => [.. _failures.Keys];

    /// <summary>Those that are not due.</summary>
    public Guid[] Waiting
    {
        get
        {
            var now = clock.GetUtcNow();
            return [.. _failures.Where(failure => failure.Value.RetryAt > now).Select(failure => failure.Key)];
        }
    }

    /// <summary>Those that failed <see cref="Poisoned"/> times or more.</summary>
    public IEnumerable<KeyValuePair<Guid, OutboxFailure>> Undeliverable => _failures.Where(failure => failure.Value.Attempts >= Poisoned);

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
    /// <param name="since">When its oldest message was sent by the application, UTC.</param>
    /// <param name="madeProgress">Whether messages of it were delivered: the failure then counts as its first.</param>
    public int Add(Guid outboxId, DateTime? since, bool madeProgress) => _failures.AddOrUpdate(
        outboxId, _ => After(1, since), (_, last) => After(madeProgress ? 1 : last.Attempts + 1, madeProgress ? since : last.Since)).Attempts;

    public void Remove(Guid outboxId) => _failures.TryRemove(outboxId, out _);

    /// <summary>After an attempt at everything that was due: what is still due was not there any more.</summary>
    public void ForgetDue()
    {
        var now = clock.GetUtcNow();
        foreach (var failure in _failures.Where(failure => failure.Value.RetryAt <= now))
            _failures.TryRemove(failure);
    }

    private OutboxFailure After(int attempts, DateTime? since)
    {
        var delay = TimeSpan.FromSeconds(Math.Pow(2, Math.Min(attempts - 1, 6)));
        var now = clock.GetUtcNow();
        return new OutboxFailure(attempts, since ?? now.UtcDateTime, now + (delay < Longest ? delay : Longest));
    }
}
