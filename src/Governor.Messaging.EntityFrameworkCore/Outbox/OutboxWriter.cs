using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Writes captured messages into the current transaction of a DbContext: one command for all of them.</summary>
internal sealed class OutboxWriter<TDbContext>(OutboxOptions<TDbContext> options, TimeProvider clock) where TDbContext : DbContext
{
    /// <inheritdoc cref="OutboxStatements.CommandsAreAtomic" />
    public bool CommandsAreAtomic => options.Statements.CommandsAreAtomic;

    /// <summary>Writes messages that the delivery service sends after the commit.</summary>
    /// <param name="context">The DbContext of the transaction.</param>
    /// <param name="outboxId">The outbox of the transaction.</param>
    /// <param name="isNew">Whether the transaction has not written the outbox's own row yet.</param>
    /// <param name="messages">At least one message, in order.</param>
    /// <param name="cancellationToken">Ends the command.</param>
    public Task WriteAsync(
        DbContext context, Guid outboxId, bool isNew, IReadOnlyList<OutboxMessage> messages, CancellationToken cancellationToken)
    {
        var statement = Statement(context, outboxId, isNew, messages);
        return context.Database.ExecuteSqlRawAsync(statement.Text, statement.Parameters, cancellationToken);
    }

    /// <inheritdoc cref="WriteAsync(DbContext, Guid, bool, IReadOnlyList{OutboxMessage}, CancellationToken)" />
    public void Write(DbContext context, Guid outboxId, bool isNew, IReadOnlyList<OutboxMessage> messages)
    {
        var statement = Statement(context, outboxId, isNew, messages);
        context.Database.ExecuteSqlRaw(statement.Text, statement.Parameters);
    }

    /// <summary>Writes messages of a consumer, which sends them itself after the commit.</summary>
    /// <param name="context">The DbContext of the transaction.</param>
    /// <param name="inbox">The row of the received message.</param>
    /// <param name="messages">At least one message, in order.</param>
    /// <param name="cancellationToken">Ends the command.</param>
    /// <returns>Those to send; the delivery service sends the rest, which are delayed.</returns>
    public async Task<List<OutboxMessage>> WriteAsync(
        DbContext context, InboxEntry inbox, List<OutboxMessage> messages, CancellationToken cancellationToken)
    {
        var outboxes = new List<NewOutbox>();
        Delay(messages, outboxes);
        foreach (var message in messages.Where(message => message.OutboxId is null))
            (message.InboxMessageId, message.InboxConsumerId) = (inbox.MessageId, inbox.ConsumerId);
        var statement = options.Statements.Insert(context, outboxes, messages);
        await context.Database.ExecuteSqlRawAsync(statement.Text, statement.Parameters, cancellationToken);
        return outboxes.Count == 0 ? messages : messages.FindAll(message => message.OutboxId is null);
    }

    /// <summary>When the delayed ones among messages are due, UTC.</summary>
    public static IEnumerable<DateTime> Due(IEnumerable<OutboxMessage> messages) =>
        messages.Where(message => message.EnqueueTime is not null).Select(message => message.EnqueueTime!.Value);

    // Each message has its outbox: that of the transaction, or one of its own if it is delayed.
    private SqlStatement Statement(DbContext context, Guid outboxId, bool isNew, IReadOnlyList<OutboxMessage> messages)
    {
        var outboxes = new List<NewOutbox>();
        if (isNew)
            outboxes.Add(new NewOutbox(outboxId, TimeSpan.Zero));
        Delay(messages, outboxes);
        foreach (var message in messages)
            message.OutboxId ??= outboxId;
        return options.Statements.Insert(context, outboxes, messages);
    }

    // A delayed message must not hold up those behind it. What was assigned before belongs to an attempt that failed.
    private void Delay(IReadOnlyList<OutboxMessage> messages, List<NewOutbox> outboxes)
    {
        foreach (var message in messages)
        {
            message.OutboxId = null;
            if (message.EnqueueTime is not { } due)
                continue;
            message.OutboxId = NewId.NextGuid();
            var delay = due - clock.GetUtcNow().UtcDateTime;
            outboxes.Add(new NewOutbox(message.OutboxId.Value, delay > TimeSpan.Zero ? delay : TimeSpan.Zero));
        }
    }
}
