using System.Data.Common;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using MassTransit.Middleware;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Runs a consumer in one transaction of its scope's DbContext, together with the received message's row of the inbox and what the
/// consumer publishes and sends; after the commit, and before the message is acknowledged, that is sent.
/// </summary>
/// <remarks>
/// A duplicate waits at the row until the first is over. If that committed, no consumer runs, and what has not left is sent.
/// </remarks>
internal sealed class OutboxContextFactory<TDbContext>(
    TDbContext dbContext, OutboxOptions<TDbContext> options, OutboxWriter<TDbContext> writer, OutboxSignal<TDbContext> signal,
    InboxMarks<TDbContext> marks, OutboxSender sender, TimeProvider clock, IServiceProvider provider) : IOutboxContextFactory<TDbContext>
    where TDbContext : DbContext
{
    private const int EntryAttempts = 10;

    public async Task Send<T>(ConsumeContext<T> context, OutboxConsumeOptions consumeOptions, IPipe<OutboxConsumeContext<T>> next)
        where T : class
    {
        for (var attempt = 1; !await TrySendAsync(context, consumeOptions, next, attempt == EntryAttempts); attempt++)
            context.CancellationToken.ThrowIfCancellationRequested();
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("entityFrameworkOutbox");

    private async Task<bool> TrySendAsync<T>(
        ConsumeContext<T> context, OutboxConsumeOptions consumeOptions, IPipe<OutboxConsumeContext<T>> next, bool isLast)
        where T : class
    {
        OutboxConsumeContext<TDbContext, T> outbox = null!;
        InboxSending? sending = null;
        Exception? failure = null;
        var entered = false;
        var started = Stopwatch.StartNew();
        try
        {
            await dbContext.InTransactionAsync(options.IsolationLevel, async () =>
            {
                (entered, failure) = (false, null);
                if (sending is not null)
                    marks.Abandon(sending); // An execution strategy tries once more.
                sending = null;
                var entry = await EnterAsync(context, RoutingSlipSteps.ConsumerOf(context.Message, consumeOptions.ConsumerId));
                entered = true;
                if (entry is { IsConsumed: false })
                    sending = marks.Begin(entry);
                else if (entry is { IsDelivered: false })
                    failure = await SendLeftoversAsync(context, entry, consumeOptions.MessageDeliveryTimeout);
                outbox = new OutboxConsumeContext<TDbContext, T>(context, consumeOptions, provider, dbContext, writer, clock, entry);
                if (failure is null)
                    await next.Send(outbox);
                return true;
            }, context.CancellationToken);
        }
        catch (DbException exception) when (!entered && !isLast && IsConflict(exception))
        {
            // Above read committed, a duplicate that waited for the first is refused when that commits. No consumer has run yet.
            return false;
        }
        catch
        {
            if (sending is not null)
                marks.Abandon(sending);
            throw;
        }

        // What had left of the leftovers is committed as such.
        if (failure is null)
        {
            if (outbox.HasOutbox)
                signal.Raise();
            outbox.Due.ForEach(signal.RaiseAt);
            if (sending is not null)
                failure = await SendAsync(context, sending, outbox.ToSend, consumeOptions.MessageDeliveryTimeout);
        }

        if (failure is not null)
        {
            // The message is not acknowledged: what has not left is sent when it comes again, or by the cleanup service.
            await context.NotifyFaulted(context, started.Elapsed, consumeOptions.ConsumerType, failure);
            ExceptionDispatchInfo.Throw(failure);
        }

        return true;
    }

    private async Task<InboxEntry?> EnterAsync<T>(ConsumeContext<T> context, Guid consumerId) where T : class =>
        context.MessageId is { } messageId
            ? await InboxEntry.EnterAsync(dbContext, options.Statements, messageId, consumerId, clock.GetUtcNow().UtcDateTime,
                context.ExpirationTime, context.CancellationToken)
            : null;

    private async Task<Exception?> SendAsync(ConsumeContext context, InboxSending sending, List<OutboxMessage> messages, TimeSpan timeout)
    {
        var done = 0;
        try
        {
            if (messages.Count > 0)
            {
                using var deadline = new CancellationTokenSource(timeout, clock);
                using var window = OutboxSender.CreateWindow();
                (_, done, var error) = await sender.SendAsync(sending.Entry.MessageId, messages,
                    context.ReceiveContext.SendEndpointProvider.GetSendEndpoint, window, deadline.Token, deadline.Token);
                if (done is > 0 && done < messages.Count)
                    await InboxRows.DeleteFirstAsync(dbContext, sending.Entry, done, CancellationToken.None);
                if (done < messages.Count)
                    return error ?? InboxRows.TookTooLong(done, messages.Count);
            }
        }
        finally
        {
            // A duplicate may wait to hear which it is.
            if (done == messages.Count)
                marks.Sent(sending, done > 0);
            else
                marks.Abandon(sending);
        }

        return null;
    }

    private async Task<Exception?> SendLeftoversAsync(ConsumeContext context, InboxEntry entry, TimeSpan timeout)
    {
        if (await marks.IsSentAsync(entry, context.CancellationToken))
            return null;
        using var deadline = new CancellationTokenSource(timeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, context.CancellationToken);
        return await InboxRows.SendLeftoversAsync(
            dbContext, entry, sender, context.ReceiveContext.SendEndpointProvider.GetSendEndpoint, clock, either.Token);
    }

    // serialization_failure, deadlock_detected
    private static bool IsConflict(DbException exception) => exception.SqlState is "40001" or "40P01";
}
