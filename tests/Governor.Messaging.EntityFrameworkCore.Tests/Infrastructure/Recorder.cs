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
    public async Task<List<T>> UntilAsync<T>(int count)
    {
        var deadline = Task.Delay(TimeSpan.FromSeconds(30));
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
    /// <summary>Polls a condition until it holds, at most 30 s.</summary>
    public static async Task HoldsAsync(Func<Task<bool>> condition, string what)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(25));
        while (!await condition())
            if (deadline.IsCancellationRequested || !await timer.WaitForNextTickAsync(CancellationToken.None))
                throw new TimeoutException($"Not within 30 s: {what}.");
    }
}
