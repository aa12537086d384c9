using System.Data;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>What a pass did.</summary>
/// <param name="IsFull">Whether it stopped at a limit, so that more may wait.</param>
/// <param name="Messages">Messages that were read.</param>
/// <param name="Done">Messages that were delivered and deleted.</param>
/// <param name="Deliveries">Per outbox, what became of it, and when its oldest message was sent by the application.</param>
internal sealed record OutboxPassResult(bool IsFull, int Messages, int Done, IReadOnlyList<(OutboxDelivery Delivery, DateTime Since)> Deliveries)
{
    public static OutboxPassResult Nothing { get; } = new(false, 0, 0, []);
}

/// <summary>One pass over the outboxes: claim, send, delete what was confirmed.</summary>
/// <remarks>
/// With row locks the pass is one transaction under read committed, whose locks keep every other process away from the
/// claimed outboxes; if the process dies, they are free again and what was sent but not deleted is sent once more.
/// Without row locks (SQLite) nothing is held while sending.
/// </remarks>
internal sealed class OutboxPass<TDbContext>(
    TDbContext context, OutboxOptions<TDbContext> options, OutboxSender sender, OutboxBuses<TDbContext> buses, TimeProvider clock)
    where TDbContext : DbContext
{
    /// <summary>Bounds what a pass holds in memory, in outboxes as long as the limit of one.</summary>
    private const int LongOutboxes = 10;

    private readonly OutboxStatements _statements = options.Statements;

    /// <param name="selection">Which outboxes to take.</param>
    /// <param name="stop">Starts no further message; what is under way is awaited.</param>
    /// <param name="abandon">Gives up what is under way.</param>
    public async Task<OutboxPassResult> RunAsync(OutboxSelection selection, CancellationToken stop, CancellationToken abandon)
    {
        context.Database.SetCommandTimeout(options.QueryTimeout);
        if (!options.Sql.HasRowLocks)
            return await PassAsync(selection, stop, abandon);
        return await context.InTransactionAsync(IsolationLevel.ReadCommitted, () => PassAsync(selection, stop, abandon), abandon);
    }

    private async Task<OutboxPassResult> PassAsync(OutboxSelection selection, CancellationToken stop, CancellationToken abandon)
    {
        var claimed = await _statements.ClaimAsync(context, selection, abandon);
        if (claimed.Count == 0)
            return OutboxPassResult.Nothing;

        Guid[] ids = [.. claimed];
        var limit = options.MessageDeliveryLimit * LongOutboxes;
        var messages = await _statements.Messages(context, ids, options.MessageDeliveryLimit, limit).AsNoTracking().ToListAsync(abandon);
        var outboxes = messages.GroupBy(message => message.OutboxId!.Value).ToDictionary(group => group.Key, group => group.ToList());

        var deliveries = await SendAsync(outboxes, stop, abandon);
        var delivered = deliveries.SelectMany(d => outboxes[d.OutboxId].Take(d.Done)).Select(message => message.SequenceNumber).ToArray();
        var isFull = claimed.Count == selection.Limit || messages.Count == limit
            || outboxes.Values.Any(outbox => outbox.Count == options.MessageDeliveryLimit);

        // Deleted even when shutting down: what stays would be sent again.
        // An outbox without messages, which another implementation may leave, goes too.
        if (delivered.Length > 0 || outboxes.Count < ids.Length && !isFull)
            await DeleteAsync(ids, delivered);
        return new OutboxPassResult(isFull, messages.Count, delivered.Length, [.. deliveries.Select(d => (d, outboxes[d.OutboxId][0].SentTime))]);
    }

    private Task DeleteAsync(Guid[] claimed, long[] delivered) => options.Sql.HasRowLocks
        ? _statements.DeleteAsync(context, claimed, delivered, CancellationToken.None)
        : context.InTransactionAsync(IsolationLevel.Unspecified, async () =>
        {
            await _statements.DeleteAsync(context, claimed, delivered, CancellationToken.None);
            return true;
        }, CancellationToken.None);

    private async Task<OutboxDelivery[]> SendAsync(
        Dictionary<Guid, List<OutboxMessage>> outboxes, CancellationToken stop, CancellationToken abandon)
    {
        // Bounds how long the claim is held, whatever the transport does.
        using var deadline = new CancellationTokenSource(options.MessageDeliveryTimeout, clock);
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, abandon);
        using var window = OutboxSender.CreateWindow();
        return await Task.WhenAll(outboxes.Select(
            outbox => sender.SendAsync(outbox.Key, outbox.Value, buses.GetSendEndpoint, window, stop, giveUp.Token)));
    }
}
