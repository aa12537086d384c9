using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A received message's row of the inbox, locked by the current transaction.</summary>
/// <param name="Id">Key of the row.</param>
/// <param name="MessageId">Id of the received message.</param>
/// <param name="ConsumerId">The consumer that handles it.</param>
/// <param name="IsConsumed">Whether a consumer has handled the message before, and committed.</param>
/// <param name="IsDelivered">Whether all that the consumer sent then is known to have left.</param>
internal sealed record InboxEntry(long Id, Guid MessageId, Guid ConsumerId, bool IsConsumed, bool IsDelivered)
{
    public (Guid MessageId, Guid ConsumerId) Key => (MessageId, ConsumerId);

    /// <summary>Enters a received message. A duplicate waits here until the transaction that handles the message is over.</summary>
    public static async Task<InboxEntry> EnterAsync(DbContext context, OutboxStatements statements, Guid messageId, Guid consumerId,
        DateTime now, DateTime? expiration, CancellationToken cancellationToken)
    {
        var mine = NewId.NextGuid();
        // EF Core maps the result of a SqlQuery by the names of a model, which conventions change; this reads by position.
        var command = context.GetService<IRawSqlCommandBuilder>().Build(
            statements.EnterInbox(context), [messageId, consumerId, mine, now, expiration!], context.Model);
        await using var reader = await command.RelationalCommand.ExecuteReaderAsync(
            new RelationalCommandParameterObject(context.GetService<IRelationalConnection>(), command.ParameterValues, readerColumns: null,
                context, context.GetService<IRelationalCommandDiagnosticsLogger>(), CommandSource.ExecuteSqlRaw), cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
            throw new InvalidOperationException("The inbox did not give back the row that it was asked to write.");
        var row = reader.DbDataReader;
        return new InboxEntry(row.GetInt64(0), messageId, consumerId, IsConsumed: row.GetGuid(1) != mine, IsDelivered: !row.IsDBNull(2));
    }
}
