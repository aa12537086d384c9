using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>What a pass did.</summary>
/// <param name="Found">Messages that were read; as many as the limit means that more may wait.</param>
/// <param name="Done">Messages that were delivered and deleted.</param>
/// <param name="Deliveries">Per outbox, what became of it.</param>
internal sealed record OutboxPassResult(int Found, int Done, IReadOnlyList<OutboxDelivery> Deliveries)
{
    public static OutboxPassResult Nothing { get; } = new(0, 0, []);
}

/// <summary>One pass over the outboxes: claim, send, delete what was confirmed.</summary>
/// <remarks>
/// With row locks the pass is one transaction under read committed, whose locks keep every other process away from the
/// claimed outboxes; if the process dies, they are free again and what was sent but not deleted is sent once more.
/// Without row locks (SQLite) nothing is held while sending.
/// </remarks>
internal sealed class OutboxPass<TDbContext>(
    TDbContext context, OutboxOptions<TDbContext> options, OutboxSender sender, TimeProvider clock)
    where TDbContext : DbContext
{
    /// <param name="selection">Which outboxes to take, and how many messages.</param>
    /// <param name="stop">Starts no further message; what is under way is awaited.</param>
    /// <param name="abandon">Gives up what is under way.</param>
    public async Task<OutboxPassResult> RunAsync(OutboxSelection selection, CancellationToken stop, CancellationToken abandon)
    {
        context.Database.SetCommandTimeout(options.QueryTimeout);
        await using var transaction = options.Sql.HasRowLocks
            ? await context.Database.BeginTransactionAsync(IsolationLevel.ReadCommitted, abandon)
            : null;

        var claimed = await options.Sql.Outbox.ClaimAsync(context, selection, abandon);
        if (claimed.Count == 0)
            return OutboxPassResult.Nothing;

        var ids = claimed.ToArray();
        var messages = await context.Set<OutboxMessage>().AsNoTracking()
            .Where(message => message.OutboxId != null && EF.Parameter(ids).Contains(message.OutboxId.Value))
            .OrderBy(message => message.SequenceNumber).Take(selection.Limit).ToListAsync(abandon);
        var outboxes = messages.GroupBy(message => message.OutboxId!.Value).ToDictionary(group => group.Key, group => group.ToList());

        var deliveries = await SendAsync(outboxes, stop, abandon);
        var delivered = deliveries.SelectMany(d => outboxes[d.OutboxId].Take(d.Done)).Select(message => message.SequenceNumber).ToArray();

        // Deleted even when shutting down: what stays would be sent again.
        // An outbox without messages, which another implementation may leave, goes too.
        if (delivered.Length > 0 || outboxes.Count < ids.Length && messages.Count < selection.Limit)
            await DeleteAsync(ids, delivered, transaction, CancellationToken.None);
        return new OutboxPassResult(messages.Count, delivered.Length, deliveries);
    }

    private async Task<OutboxDelivery[]> SendAsync(
        Dictionary<Guid, List<OutboxMessage>> outboxes, CancellationToken stop, CancellationToken abandon)
    {
        // Bounds how long the claim is held, whatever the transport does.
        using var deadline = new CancellationTokenSource(options.MessageDeliveryTimeout, clock);
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, abandon);
        using var window = OutboxSender.CreateWindow();
        return await Task.WhenAll(outboxes.Select(outbox => sender.SendAsync(outbox.Key, outbox.Value, window, stop, giveUp.Token)));
    }

    private async Task DeleteAsync(Guid[] claimed, long[] delivered, IDbContextTransaction? claim, CancellationToken cancellationToken)
    {
        await using var own = claim is null ? await context.Database.BeginTransactionAsync(cancellationToken) : null;
        await context.Set<OutboxMessage>()
            .Where(message => EF.Parameter(delivered).Contains(message.SequenceNumber))
            .ExecuteDeleteAsync(cancellationToken);
        await context.Set<OutboxState>()
            .Where(state => EF.Parameter(claimed).Contains(state.OutboxId)
                && !context.Set<OutboxMessage>().Any(message => message.OutboxId == state.OutboxId))
            .ExecuteDeleteAsync(cancellationToken);
        await (claim ?? own)!.CommitAsync(cancellationToken);
    }
}
