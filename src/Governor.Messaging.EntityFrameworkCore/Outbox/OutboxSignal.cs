using System.Threading.Channels;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Wakes the delivery of one DbContext's outbox. A signal raised while nobody waits ends the next wait at once.</summary>
internal sealed class OutboxSignal<TDbContext>
{
    private readonly Channel<bool> _raised = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Raise() => _raised.Writer.TryWrite(true);

    /// <summary>Waits for the signal, at most as long as given.</summary>
    public async Task WaitAsync(TimeSpan limit, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await _raised.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Nothing was signalled: time for the regular look.
        }
    }
}
