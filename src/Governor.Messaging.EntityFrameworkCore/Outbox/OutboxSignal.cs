using System.Threading.Channels;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Says that the outbox of a DbContext has something to deliver: to this process, or to others if this one does not deliver.</summary>
/// <remarks>A signal raised while nobody waits ends the next wait at once.</remarks>
internal sealed class OutboxSignal<TDbContext>(OutboxOptions<TDbContext> options, TimeProvider clock)
{
    private readonly Channel<bool> _here = One();
    private readonly Channel<bool> _elsewhere = One();

    /// <summary>For whoever tells other processes.</summary>
    public ChannelReader<bool> Elsewhere => _elsewhere.Reader;

    /// <summary>After a commit.</summary>
    public void Raise() => (options.Delivers ? _here : _elsewhere).Writer.TryWrite(true);

    /// <summary>When a delayed message will be due. If this process is gone by then, the regular look finds it.</summary>
    public void RaiseAt(DateTime due)
    {
        var delay = due - clock.GetUtcNow().UtcDateTime;
        if (delay < options.QueryDelay)
            _ = Task.Delay(delay > TimeSpan.Zero ? delay : TimeSpan.Zero, clock).ContinueWith(
                _ => Raise(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    /// <summary>Whether the next wait will end at once.</summary>
    public bool IsRaised => _here.Reader.Count > 0;

    /// <summary>Wakes the delivery of this process.</summary>
    public void Wake() => _here.Writer.TryWrite(true);

    /// <summary>Waits for the signal, at most as long as given.</summary>
    public async Task WaitAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await _here.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Nothing was signalled: time for the regular look.
        }
    }

    private static Channel<bool> One() =>
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
}
