using System.Collections.Concurrent;
using MassTransit;

namespace Governor.Messaging.Tests;

/// <summary>What an endpoint received.</summary>
internal sealed class Inbox<T>
    where T : class
{
    private readonly ConcurrentQueue<T> _messages = new();

    public IReadOnlyList<T> Messages => [.. _messages];

    public void On(IReceiveEndpointConfigurator endpoint) => endpoint.Handler<T>(context =>
    {
        _messages.Enqueue(context.Message);
        return Task.CompletedTask;
    });

    public async Task<T> UntilAsync(Func<T, bool> expected)
    {
        await Poll.UntilAsync(() => _messages.Any(expected), () => $"{typeof(T).Name} did not come; {_messages.Count} others did.");
        return _messages.First(expected);
    }
}
