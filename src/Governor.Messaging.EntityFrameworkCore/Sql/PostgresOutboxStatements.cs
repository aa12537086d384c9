using System.Data;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>PostgreSQL: one array per column, unnested; claims under row locks that others skip.</summary>
internal sealed class PostgresOutboxStatements : OutboxStatements
{
    // Stable within a statement, so that an index can be searched with it; the database's, so that clocks may differ.
    private const string Now = "statement_timestamp()";

    // Before its own statement, in one round trip, for the transaction of a pass. The tables are empty most of the time: a plan that was made
    // then reads them whole, is kept for the connection, and reads whatever has been deleted since, until the next vacuum.
    private const string SearchIndexes = "SET LOCAL enable_seqscan = off; ";

    // As above: kept plans of what follows search whichever index was the smallest, from end to end. The claim is not planned anew each time,
    // for it runs when nothing waits, too.
    private const string PlanAnew = "SET LOCAL plan_cache_mode = force_custom_plan; ";

    // The driver sends them together, and the server commits once, at their end.
    public override bool CommandsAreAtomic => true;

    public override Task<List<Guid>> ClaimAsync(DbContext context, OutboxSelection selection, CancellationToken cancellationToken)
    {
        var names = TableNames.Of<OutboxState>(context);
        var (id, created) = (names.Column(nameof(OutboxState.OutboxId)), names.Column(nameof(OutboxState.Created)));
        var condition = selection.Only is null ? $"NOT ({id} = ANY ({{0}}))" : $"{id} = ANY ({{0}})";
        var text = $"{SearchIndexes}SELECT {id} AS \"Value\" FROM {names.Table} WHERE {created} <= {Now} AND {condition} "
            + $"ORDER BY {created} LIMIT {{1}} FOR UPDATE SKIP LOCKED";
        return context.Database.SqlQueryRaw<Guid>(text, selection.Only ?? selection.Except, selection.Limit).ToListAsync(cancellationToken);
    }

    public override string DeleteFromInbox(DbContext context)
    {
        var names = TableNames.Of<InboxState>(context);
        var (id, delivered) = (names.Column(nameof(InboxState.Id)), names.Column(nameof(InboxState.Delivered)));
        return $"DELETE FROM {names.Table} WHERE {id} IN (SELECT {id} FROM {names.Table} WHERE {delivered} < {{0}} "
            + $"ORDER BY {delivered} LIMIT {{1}} FOR UPDATE SKIP LOCKED)";
    }

    public override IQueryable<InboxState> ClaimFromInbox(DbContext context, DateTime before, int limit, Guid[] except)
    {
        var names = TableNames.Of<InboxState>(context);
        var text = $"SELECT * FROM {names.Table} WHERE {names.Column(nameof(InboxState.Delivered))} IS NULL "
            + $"AND {names.Column(nameof(InboxState.Consumed))} < {{0}} AND NOT ({names.Column(nameof(InboxState.MessageId))} = ANY ({{2}})) "
            + "LIMIT {1} FOR UPDATE SKIP LOCKED";
        return context.Set<InboxState>().FromSqlRaw(text, before, limit, except);
    }

    // A search in the index for each outbox, whatever the planner thinks of the table.
    public override IQueryable<OutboxMessage> Messages(DbContext context, Guid[] outboxes, int each, int limit)
    {
        var names = TableNames.Of<OutboxMessage>(context);
        var (outboxId, number) = (names.Column(nameof(OutboxMessage.OutboxId)), names.Column(nameof(OutboxMessage.SequenceNumber)));
        var text = $"SELECT m.* FROM unnest({{0}}) WITH ORDINALITY AS o (id, position) CROSS JOIN LATERAL (SELECT * FROM {names.Table} "
            + $"WHERE {outboxId} = o.id ORDER BY {number} LIMIT {{1}}) AS m ORDER BY o.position, m.{number} LIMIT {{2}}";
        return context.Set<OutboxMessage>().FromSqlRaw(text, outboxes, each, limit);
    }

    public override Task DeleteAsync(DbContext context, Guid[] outboxes, long[] messages, CancellationToken cancellationToken)
    {
        var (message, state) = (TableNames.Of<OutboxMessage>(context), TableNames.Of<OutboxState>(context));
        var id = state.Column(nameof(OutboxState.OutboxId));
        var text = $"{PlanAnew}DELETE FROM {message.Table} WHERE {message.Column(nameof(OutboxMessage.SequenceNumber))} = ANY ({{1}}); "
            + $"DELETE FROM {state.Table} AS s WHERE s.{id} = ANY ({{0}}) AND NOT EXISTS "
            + $"(SELECT 1 FROM {message.Table} AS m WHERE m.{message.Column(nameof(OutboxMessage.OutboxId))} = s.{id})";
        return context.Database.ExecuteSqlRawAsync(text, [outboxes, messages], cancellationToken);
    }

    protected override string NowPlus(string interval) => $"{Now} + {interval}";

    protected override object Offset(TimeSpan interval) => interval;

    // One message is the common case, and this is planned in a fraction of the time.
    protected override string? InsertOneMessage(string table, Column[] columns) =>
        $"INSERT INTO {table} ({string.Join(", ", columns.Select(column => column.Name))}) "
        + $"VALUES ({string.Join(", ", columns.Select((_, index) => $"@c{index}"))})";

    // Identity values are drawn after the sort, so that sequence numbers follow the order of the messages.
    protected override string InsertMessages(string table, Column[] columns)
    {
        var aliases = string.Join(", ", columns.Select((_, index) => $"v{index}"));
        var arrays = string.Join(", ", columns.Select((_, index) => $"@c{index}"));
        return $"INSERT INTO {table} ({string.Join(", ", columns.Select(column => column.Name))}) SELECT {aliases} "
            + $"FROM unnest({arrays}) WITH ORDINALITY AS m ({aliases}, position) ORDER BY position";
    }

    protected override void AddMessages(
        DbContext context, Column[] columns, IReadOnlyList<OutboxMessage> messages, List<object> parameters)
    {
        using var factory = context.Database.GetDbConnection().CreateCommand();
        for (var c = 0; c < columns.Length; c++)
        {
            var column = columns[c];
            if (messages.Count == 1)
            {
                parameters.Add(Typed(column, Parameter(factory, $"c{c}", column.ProviderValue(messages[0]) ?? DBNull.Value)));
                continue;
            }

            var element = column.ProviderType.IsValueType ? typeof(Nullable<>).MakeGenericType(column.ProviderType) : column.ProviderType;
            var values = Array.CreateInstance(element, messages.Count);
            for (var m = 0; m < messages.Count; m++)
                values.SetValue(column.ProviderValue(messages[m]), m);
            parameters.Add(Parameter(factory, $"c{c}", values));
        }
    }

    // A null says nothing about its type.
    private static DbParameter Typed(Column column, DbParameter parameter)
    {
        if (parameter.Value is DBNull)
            parameter.DbType = column.ProviderType == typeof(Guid) ? DbType.Guid : column.ProviderType == typeof(DateTime) ? DbType.DateTime : DbType.String;
        return parameter;
    }
}
