using MassTransit;
using MassTransit.Context;
using Microsoft.Extensions.Logging;

namespace Governor.Messaging;

/// <summary>Keeps a message while the database or the broker is away, and tries again until it is back: an outage makes no
/// dead letters. After a while, and when the process stops, the message goes back to its queue.</summary>
internal sealed partial class OutageFilter(string queue, TimeProvider clock, ILogger<OutageFilter> logger, CancellationToken stopping)
    : IFilter<ConsumeContext>
{
    // RabbitMQ takes a message from whoever has not acknowledged it within 30 minutes.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);

    private int _waiting;

    public async Task Send(ConsumeContext context, IPipe<ConsumeContext> next)
    {
        try
        {
            await next.Send(new Attempt(context));
        }
        catch (Exception e) when (Outage.Is(e))
        {
            await WaitAsync(context, next, e);
        }
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("governor-outage");

    private async Task WaitAsync(ConsumeContext context, IPipe<ConsumeContext> next, Exception outage)
    {
        // Of many messages that wait, one says so.
        if (Interlocked.Increment(ref _waiting) == 1)
            LogOutage(queue, outage.GetBaseException().Message);
        try
        {
            await RepeatAsync(context, next, outage);
        }
        finally
        {
            if (Interlocked.Decrement(ref _waiting) == 0)
                LogOver(queue);
        }
    }

    private async Task RepeatAsync(ConsumeContext context, IPipe<ConsumeContext> next, Exception outage)
    {
        var began = clock.GetTimestamp();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, stopping);
        for (var wait = ShortestWait; clock.GetElapsedTime(began) < Patience; wait = wait * 2 < LongestWait ? wait * 2 : LongestWait)
        {
            await Task.Delay(wait, clock, end.Token); // a cancellation passes the error pipe by: back to the queue
            try
            {
                await next.Send(new Attempt(context));
                return;
            }
            catch (Exception e) when (Outage.Is(e))
            {
                outage = e;
            }
        }

        throw new OperationCanceledException("A server that this message needs is away; the message goes back to its queue.", outage);
    }

    /// <summary>One attempt, with payloads of its own. MassTransit would log every one that fails as an error, for each message
    /// that waits.</summary>
    private sealed class Attempt(ConsumeContext context) : ConsumeContextScope(context)
    {
        public override Task NotifyFaulted<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType, Exception exception) =>
            Outage.Is(exception) ? Task.CompletedTask : base.NotifyFaulted(context, duration, consumerType, exception);
    }

    [LoggerMessage(3001, LogLevel.Warning,
        "Messages of {Queue} wait, because a server that they need is away ({Problem}); they are tried again until it is back")]
    private partial void LogOutage(string queue, string problem);

    [LoggerMessage(3002, LogLevel.Information, "No message of {Queue} waits for a server any more")]
    private partial void LogOver(string queue);
}
