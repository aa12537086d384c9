using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>PostgreSQL: one array per column, unnested; claims under row locks that others skip.</summary>
internal sealed class PostgresOutboxStatements : OutboxStatements
{
    public override Task<List<Guid>> ClaimAsync(DbContext context, OutboxSelection selection, CancellationToken cancellationToken)
    {
        var names = TableNames.Of<OutboxState>(context);
        var id = names.Column(nameof(OutboxState.OutboxId));
        var condition = selection.Only is null ? $"NOT ({id} = ANY ({{0}}))" : $"{id} = ANY ({{0}})";
        var text = $"SELECT {id} AS \"Value\" FROM {names.Table} WHERE {condition} "
            + $"ORDER BY {names.Column(nameof(OutboxState.Created))} LIMIT {{1}} FOR UPDATE SKIP LOCKED";
        return context.Database.SqlQueryRaw<Guid>(text, selection.Only ?? selection.Except, selection.Limit).ToListAsync(cancellationToken);
    }

    protected override SqlStatement InsertMessages(DbContext context, string table, Column[] columns, IReadOnlyList<OutboxMessage> messages)
    {
        var parameters = new object[columns.Length];
        for (var c = 0; c < columns.Length; c++)
        {
            var column = columns[c];
            var element = column.ProviderType.IsValueType ? typeof(Nullable<>).MakeGenericType(column.ProviderType) : column.ProviderType;
            var values = Array.CreateInstance(element, messages.Count);
            for (var m = 0; m < messages.Count; m++)
                values.SetValue(column.ProviderValue(messages[m]), m);
            parameters[c] = Parameter(context, $"c{c}", values);
        }

        // Identity values are drawn after the sort, so that sequence numbers follow the order of the messages.
        var text = Cached(context, () =>
        {
            var aliases = string.Join(", ", columns.Select((_, index) => $"v{index}"));
            var arrays = string.Join(", ", columns.Select((_, index) => $"@c{index}"));
            return $"INSERT INTO {table} ({string.Join(", ", columns.Select(column => column.Name))}) SELECT {aliases} "
                + $"FROM unnest({arrays}) WITH ORDINALITY AS m ({aliases}, position) ORDER BY position";
        });
        return new SqlStatement(text, parameters);
    }
}
