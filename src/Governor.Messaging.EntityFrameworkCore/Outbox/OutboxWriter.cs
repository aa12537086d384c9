using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Writes captured messages into the current transaction of a DbContext: one statement for all of them.</summary>
internal sealed class OutboxWriter<TDbContext>(OutboxOptions<TDbContext> options, TimeProvider clock) where TDbContext : DbContext
{
    /// <summary>The statements that write the messages.</summary>
    /// <param name="context">The DbContext of the transaction.</param>
    /// <param name="outboxId">The outbox of the transaction.</param>
    /// <param name="isNew">Whether the transaction has not written the outbox's own row yet.</param>
    /// <param name="messages">At least one message, in order.</param>
    public IEnumerable<SqlStatement> Statements(DbContext context, Guid outboxId, bool isNew, List<OutboxMessage> messages)
    {
        foreach (var message in messages)
            message.OutboxId = outboxId;
        var statements = options.Sql.Outbox;
        if (isNew)
            yield return statements.InsertState(context, outboxId, clock.GetUtcNow().UtcDateTime);
        yield return statements.InsertMessages(context, messages);
    }

    /// <inheritdoc cref="Statements" />
    public async Task WriteAsync(DbContext context, Guid outboxId, bool isNew, List<OutboxMessage> messages, CancellationToken cancellationToken)
    {
        foreach (var statement in Statements(context, outboxId, isNew, messages))
            await context.Database.ExecuteSqlRawAsync(statement.Text, statement.Parameters, cancellationToken);
    }

    /// <inheritdoc cref="Statements" />
    public void Write(DbContext context, Guid outboxId, bool isNew, List<OutboxMessage> messages)
    {
        foreach (var statement in Statements(context, outboxId, isNew, messages))
            context.Database.ExecuteSqlRaw(statement.Text, statement.Parameters);
    }
}
