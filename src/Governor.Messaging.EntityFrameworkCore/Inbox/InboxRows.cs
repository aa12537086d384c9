using System.Data;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>What is done with rows of the inbox and the messages that belong to them.</summary>
internal static class InboxRows
{
    /// <summary>Marks rows as delivered, and deletes their messages, in a transaction of its own.</summary>
    /// <param name="context">A DbContext without a transaction.</param>
    /// <param name="ids">The rows.</param>
    /// <param name="messageIds">The received messages among them that have messages to delete.</param>
    /// <param name="clock">Tells when they were delivered.</param>
    /// <param name="cancellationToken">Ends the statements.</param>
    public static Task MarkDeliveredAsync(
        DbContext context, long[] ids, Guid[] messageIds, TimeProvider clock, CancellationToken cancellationToken) =>
        context.InTransactionAsync(IsolationLevel.ReadCommitted, async () =>
        {
            await SetDeliveredAsync(context, ids, clock, cancellationToken);
            if (messageIds.Length > 0)
                await context.Set<OutboxMessage>()
                    .Where(message => EF.Parameter(messageIds).Contains(message.InboxMessageId!.Value)
                        && context.Set<InboxState>().Any(inbox => EF.Parameter(ids).Contains(inbox.Id)
                            && inbox.MessageId == message.InboxMessageId && inbox.ConsumerId == message.InboxConsumerId))
                    .ExecuteDeleteAsync(cancellationToken);
            return true;
        }, cancellationToken);

    /// <summary>
    /// Sends what a consumer left and nobody is known to have sent, in order until the first that fails, and deletes what was sent.
    /// The current transaction holds the row, so that nobody else does the same.
    /// </summary>
    /// <returns>Why it stopped; null if everything has left.</returns>
    public static async Task<Exception?> SendLeftoversAsync(DbContext context, InboxEntry entry, OutboxSender sender,
        Func<Uri, Task<ISendEndpoint>> endpoints, TimeProvider clock, CancellationToken cancellationToken)
    {
        var messages = await Messages(context, entry).AsNoTracking().ToListAsync(cancellationToken);
        using var window = OutboxSender.CreateWindow();
        var (_, done, error) = await sender.SendAsync(entry.MessageId, messages, endpoints, window, cancellationToken, cancellationToken);
        if (done > 0)
            await DeleteFirstAsync(context, entry, done, CancellationToken.None);
        if (done < messages.Count)
            return error ?? TookTooLong(done, messages.Count);
        await SetDeliveredAsync(context, [entry.Id], clock, CancellationToken.None);
        return null;
    }

    /// <summary>Deletes the first messages of a consumer, which have left.</summary>
    public static Task DeleteFirstAsync(DbContext context, InboxEntry entry, int count, CancellationToken cancellationToken) =>
        Messages(context, entry).Take(count).ExecuteDeleteAsync(cancellationToken);

    public static TimeoutException TookTooLong(int done, int count) => new($"Only {done} of {count} messages of the consumer left in time.");

    private static IQueryable<OutboxMessage> Messages(DbContext context, InboxEntry entry) => context.Set<OutboxMessage>()
        .Where(message => message.InboxMessageId == entry.MessageId && message.InboxConsumerId == entry.ConsumerId)
        .OrderBy(message => message.SequenceNumber);

    private static Task<int> SetDeliveredAsync(DbContext context, long[] ids, TimeProvider clock, CancellationToken cancellationToken)
    {
        DateTime? now = clock.GetUtcNow().UtcDateTime;
        return context.Set<InboxState>().Where(inbox => EF.Parameter(ids).Contains(inbox.Id))
            .ExecuteUpdateAsync(set => set.SetProperty(inbox => inbox.Delivered, now), cancellationToken);
    }
}
