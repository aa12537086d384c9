using MassTransit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed record Recorded(string Queue, object Message, ConsumeContext Context);

/// <summary>What the endpoints of a test received, in order.</summary>
public sealed class Recorder
{
    private readonly Lock _lock = new();
    private readonly List<Recorded> _received = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Add(Recorded recorded)
    {
        lock (_lock)
        {
            _received.Add(recorded);
            _changed.TrySetResult();
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public List<Recorded> Snapshot()
    {
        lock (_lock)
            return [.. _received];
    }

    /// <summary>Waits until so many messages of the type were received.</summary>
    public async Task<List<T>> UntilAsync<T>(int count, TimeSpan? limit = null)
    {
        var deadline = Task.Delay(limit ?? TimeSpan.FromSeconds(60));
        while (true)
        {
            Task changed;
            List<T> messages;
            lock (_lock)
            {
                changed = _changed.Task;
                messages = [.. _received.Select(r => r.Message).OfType<T>()];
            }

            if (messages.Count >= count)
                return messages;
            if (await Task.WhenAny(changed, deadline) == deadline)
                throw new TimeoutException($"Received {messages.Count} of {count} {typeof(T).Name}.");
        }
    }
}

public static class Eventually
{
    /// <summary>Polls a condition until it holds, by default at most a minute.</summary>
    public static async Task HoldsAsync(Func<Task<bool>> condition, string what, TimeSpan? limit = null)
    {
        var patience = limit ?? TimeSpan.FromSeconds(60);
        using var deadline = new CancellationTokenSource(patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(25));
        while (!await condition())
            if (deadline.IsCancellationRequested || !await timer.WaitForNextTickAsync(CancellationToken.None))
                throw new TimeoutException($"Not within {patience}: {what}.");
    }
}
