using MassTransit.Logging;
using MassTransit.Serialization;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>What became of one outbox in a pass.</summary>
/// <param name="OutboxId">The outbox.</param>
/// <param name="Done">How many of its messages, from the first, were confirmed or had expired.</param>
/// <param name="Error">Why it stopped; null if it did not.</param>
internal sealed record OutboxDelivery(Guid OutboxId, int Done, Exception? Error);

/// <summary>Sends stored messages as they are: many at a time across outboxes, in order within each.</summary>
internal sealed class OutboxSender(TimeProvider clock)
{
    /// <summary>Unconfirmed messages at any time: enough to keep a channel busy, few enough not to be blocked by the broker.</summary>
    private const int Window = 256;

    /// <summary>Sends the messages of an outbox until the first that fails.</summary>
    /// <param name="outboxId">The outbox.</param>
    /// <param name="messages">Its messages, in order.</param>
    /// <param name="endpoints">Finds the endpoint of an address.</param>
    /// <param name="window">Shared by the outboxes of a pass; see <see cref="CreateWindow"/>.</param>
    /// <param name="stop">Starts no further message.</param>
    /// <param name="abandon">Gives up messages that are not confirmed yet.</param>
    public async Task<OutboxDelivery> SendAsync(Guid outboxId, IReadOnlyList<OutboxMessage> messages,
        Func<Uri, Task<ISendEndpoint>> endpoints, SemaphoreSlim window, CancellationToken stop, CancellationToken abandon)
    {
        using var failure = new OutboxInterruption(abandon);
        var sends = new Task[messages.Count];
        var started = 0;
        var turn = new OutboxTurn();
        var warm = new HashSet<Uri>();
        foreach (var message in messages)
        {
            if (stop.IsCancellationRequested || failure.HasFailed)
                break;
            try
            {
                await window.WaitAsync(failure.Token);
            }
            catch (OperationCanceledException)
            {
                break;
            }

            // The first message to an address may have to open a channel and declare the exchange. Those that follow would
            // wait for that too, and go on in any order; hence they start only after it.
            var isLast = started == messages.Count - 1;
            var goesAlone = message.DestinationAddress is { } address && warm.Add(address);
            var pipe = new OrderedSendPipe(message, started, turn, new ArraySegment<Task>(sends, 0, started), isLast || goesAlone, clock);
            var send = SendAndReleaseAsync(message, pipe, endpoints, window, failure, new ArraySegment<Task>(sends, 0, started));
            sends[started++] = send;
            if (goesAlone && !isLast)
                await Task.WhenAny(send); // If it fails, that is judged below.
        }

        var delivery = await JudgeAsync(outboxId, sends.AsMemory(0, started));
        turn.Close();
        return delivery;
    }

    public static SemaphoreSlim CreateWindow() => new(Window, Window);

    /// <summary>Waits no longer than allowed, also for a transport that does not heed the token; what it still holds then has lost its turn.</summary>
    private static async Task BoundedAsync(Task send, CancellationToken abandon)
    {
        try
        {
            await send.WaitAsync(abandon);
        }
        catch (OperationCanceledException) when (!send.IsCompleted)
        {
            _ = send.ContinueWith(late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            throw;
        }
    }

    private static async Task<OutboxDelivery> JudgeAsync(Guid outboxId, ReadOnlyMemory<Task> sends)
    {
        var done = 0;
        Exception? error = null;
        for (var i = 0; i < sends.Length; i++)
        {
            try
            {
                await sends.Span[i];
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

    private async Task SendAndReleaseAsync(OutboxMessage message, OrderedSendPipe pipe, Func<Uri, Task<ISendEndpoint>> endpoints,
        SemaphoreSlim window, OutboxInterruption failure, ArraySegment<Task> earlier)
    {
        var activity = LogContext.Current?.StartOutboxDeliverActivity(pipe.Message);
        var instrument = LogContext.Current?.StartOutboxDeliveryInstrument(pipe.Message);
        try
        {
            if (message.ExpirationTime is { } expiration && expiration <= clock.GetUtcNow().UtcDateTime)
            {
                pipe.Skip(); // Nobody wants it any more, and a negative time to live would be refused.
                return;
            }

            if (message.DestinationAddress is not { } address)
                throw new InvalidOperationException($"Message {message.MessageId} has no destination address.");
            var endpoint = await endpoints(address);
            await BoundedAsync(endpoint.Send(new SerializedMessageBody(), pipe, failure.Token), failure.Token);
        }
        catch (Exception exception)
        {
            activity?.AddExceptionEvent(exception);
            instrument?.AddException(exception);
            await failure.FailAsync(earlier);
            throw;
        }
        finally
        {
            instrument?.Stop();
            activity?.Stop();
            window.Release();
        }
    }
}

/// <summary>Ends the sending of an outbox at its first failure.</summary>
internal sealed class OutboxInterruption(CancellationToken abandon) : IDisposable
{
    private readonly CancellationTokenSource _source = CancellationTokenSource.CreateLinkedTokenSource(abandon);
    private volatile bool _failed;

    /// <summary>Whether no further message may start.</summary>
    public bool HasFailed => _failed || abandon.IsCancellationRequested;

    public CancellationToken Token => _source.Token;

    /// <summary>Starts no further message, and gives up those under way, but for the earlier ones: they would be sent twice for nothing.</summary>
    public async Task FailAsync(ArraySegment<Task> earlier)
    {
        _failed = true;
        await Task.WhenAll(earlier.AsEnumerable()).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        await _source.CancelAsync();
    }

    public void Dispose() => _source.Dispose();
}
