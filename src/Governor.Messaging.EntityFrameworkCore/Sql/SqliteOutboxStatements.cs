using System.Globalization;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>SQLite: one JSON array of rows. There are no row locks: one process delivers, and its passes take disjoint outboxes.</summary>
internal sealed class SqliteOutboxStatements : OutboxStatements
{
    public override Task<List<Guid>> ClaimAsync(DbContext context, OutboxSelection selection, CancellationToken cancellationToken)
    {
        var outboxes = context.Set<OutboxState>().AsNoTracking();
        outboxes = selection.Only is { } only
            ? outboxes.Where(state => EF.Parameter(only).Contains(state.OutboxId))
            : outboxes.Where(state => !EF.Parameter(selection.Except).Contains(state.OutboxId));
        return outboxes.OrderBy(state => state.Created).Select(state => state.OutboxId).Take(selection.Limit).ToListAsync(cancellationToken);
    }

    protected override SqlStatement InsertMessages(DbContext context, string table, Column[] columns, IReadOnlyList<OutboxMessage> messages)
    {
        var rows = messages.Select(message => columns.Select(column => Text(column.ProviderValue(message))));
        var text = Cached(context, () =>
        {
            var values = columns.Select((_, index) => $"json_extract(value, '$[{index}]')");
            return $"INSERT INTO {table} ({string.Join(", ", columns.Select(column => column.Name))}) "
                + $"SELECT {string.Join(", ", values)} FROM json_each(@messages) ORDER BY key";
        });
        return new SqlStatement(text, [Parameter(context, "messages", JsonSerializer.Serialize(rows))]);
    }

    // The same text that Microsoft.Data.Sqlite writes, so that comparisons with its own parameters hold.
    private static string? Text(object? value) => value switch
    {
        null => null,
        string text => text,
        Guid id => id.ToString().ToUpperInvariant(),
        DateTime time => time.ToString("yyyy-MM-dd HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture),
        _ => throw new NotSupportedException(
            $"Outbox columns of type {value.GetType().Name} are not supported on SQLite; map the property without a conversion."),
    };
}
