using MassTransit.Middleware;
using MassTransit.Serialization;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>What became of one outbox in a pass.</summary>
/// <param name="OutboxId">The outbox.</param>
/// <param name="Done">How many of its messages, from the first, were confirmed or had expired.</param>
/// <param name="Error">Why it stopped; null if it did not.</param>
internal sealed record OutboxDelivery(Guid OutboxId, int Done, Exception? Error);

/// <summary>Sends stored messages as they are: many at a time across outboxes, in order within each.</summary>
internal sealed class OutboxSender(IBus bus, TimeProvider clock)
{
    /// <summary>Unconfirmed messages at any time: enough to keep a channel busy, few enough not to be blocked by the broker.</summary>
    private const int Window = 256;

    /// <summary>Sends the messages of an outbox until the first that fails.</summary>
    /// <param name="outboxId">The outbox.</param>
    /// <param name="messages">Its messages, in order.</param>
    /// <param name="window">Shared by the outboxes of a pass; see <see cref="CreateWindow"/>.</param>
    /// <param name="stop">Starts no further message.</param>
    /// <param name="abandon">Gives up messages that are not confirmed yet.</param>
    public async Task<OutboxDelivery> SendAsync(
        Guid outboxId, IReadOnlyList<OutboxMessage> messages, SemaphoreSlim window, CancellationToken stop, CancellationToken abandon)
    {
        using var failure = CancellationTokenSource.CreateLinkedTokenSource(abandon);
        var sends = new List<Task>(messages.Count);
        var warm = new HashSet<Uri>();
        foreach (var message in messages)
        {
            if (stop.IsCancellationRequested || failure.IsCancellationRequested)
                break;
            try
            {
                await window.WaitAsync(failure.Token);
            }
            catch (OperationCanceledException)
            {
                break;
            }

            var send = SendAndReleaseAsync(message, window, failure);
            sends.Add(send);
            // The first message to an address may have to open a channel and declare the exchange. Those that follow
            // would wait for that too, and go on in any order; hence they start only after it.
            if (messages.Count > sends.Count && message.DestinationAddress is { } address && warm.Add(address))
                await send.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        var done = 0;
        Exception? error = null;
        foreach (var send in sends)
        {
            try
            {
                await send;
                if (error is null)
                    done++;
            }
            catch (Exception exception)
            {
                error ??= exception;
            }
        }

        return new OutboxDelivery(outboxId, done, error);
    }

    public static SemaphoreSlim CreateWindow() => new(Window, Window);

    private async Task SendAndReleaseAsync(OutboxMessage message, SemaphoreSlim window, CancellationTokenSource failure)
    {
        try
        {
            if (message.ExpirationTime is { } expiration && expiration <= clock.GetUtcNow().UtcDateTime)
                return; // Nobody wants it any more, and a negative time to live would be refused.
            if (message.DestinationAddress is not { } address)
                throw new InvalidOperationException($"Message {message.MessageId} has no destination address.");
            var endpoint = await bus.GetSendEndpoint(address);
            await endpoint.Send(new SerializedMessageBody(), new OutboxMessageSendPipe(new StoredMessage(message), address), failure.Token);
        }
        catch
        {
            await failure.CancelAsync();
            throw;
        }
        finally
        {
            window.Release();
        }
    }
}
