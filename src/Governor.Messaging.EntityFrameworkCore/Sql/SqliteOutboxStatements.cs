using System.Globalization;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>SQLite: one JSON array of rows. There are no row locks: one process delivers, and its passes take disjoint outboxes.</summary>
internal sealed class SqliteOutboxStatements : OutboxStatements
{
    // As text this compares with what Microsoft.Data.Sqlite writes for a DateTime.
    private const string Now = "strftime('%Y-%m-%d %H:%M:%f', 'now')";

    public override bool CommandsAreAtomic => false;

    public override Task<List<Guid>> ClaimAsync(DbContext context, OutboxSelection selection, CancellationToken cancellationToken)
    {
        var names = TableNames.Of<OutboxState>(context);
        var (id, created) = (names.Column(nameof(OutboxState.OutboxId)), names.Column(nameof(OutboxState.Created)));
        var condition = selection.Only is null ? "NOT IN" : "IN";
        var text = $"SELECT {id} AS \"Value\" FROM {names.Table} WHERE {created} <= {Now} "
            + $"AND {id} {condition} (SELECT value FROM json_each({{0}})) ORDER BY {created} LIMIT {{1}}";
        var ids = JsonSerializer.Serialize((selection.Only ?? selection.Except).Select(Text));
        return context.Database.SqlQueryRaw<Guid>(text, ids, selection.Limit).ToListAsync(cancellationToken);
    }

    public override string DeleteFromInbox(DbContext context)
    {
        var names = TableNames.Of<InboxState>(context);
        var (id, delivered) = (names.Column(nameof(InboxState.Id)), names.Column(nameof(InboxState.Delivered)));
        return $"DELETE FROM {names.Table} WHERE {id} IN (SELECT {id} FROM {names.Table} WHERE {delivered} < {{0}} ORDER BY {delivered} LIMIT {{1}})";
    }

    public override IQueryable<InboxState> ClaimFromInbox(DbContext context, DateTime before, int limit, Guid[] except) =>
        context.Set<InboxState>()
            .Where(inbox => inbox.Delivered == null && inbox.Consumed < before && !EF.Parameter(except).Contains(inbox.MessageId)).Take(limit);

    public override IQueryable<OutboxMessage> Messages(DbContext context, Guid[] outboxes, int each, int limit) =>
        context.Set<OutboxMessage>()
            .Where(message => message.OutboxId != null && EF.Parameter(outboxes).Contains(message.OutboxId.Value))
            .OrderBy(message => message.SequenceNumber).Take(limit);

    public override async Task DeleteAsync(DbContext context, Guid[] outboxes, long[] messages, CancellationToken cancellationToken)
    {
        await context.Set<OutboxMessage>()
            .Where(message => EF.Parameter(messages).Contains(message.SequenceNumber)).ExecuteDeleteAsync(cancellationToken);
        await context.Set<OutboxState>()
            .Where(state => EF.Parameter(outboxes).Contains(state.OutboxId)
                && !context.Set<OutboxMessage>().Any(message => message.OutboxId == state.OutboxId))
            .ExecuteDeleteAsync(cancellationToken);
    }

    protected override string NowPlus(string interval) => $"strftime('%Y-%m-%d %H:%M:%f', 'now', {interval})";

    protected override object Offset(TimeSpan interval) =>
        string.Create(CultureInfo.InvariantCulture, $"+{interval.TotalSeconds:0.000} seconds");

    protected override string InsertMessages(string table, Column[] columns)
    {
        var values = columns.Select((_, index) => $"json_extract(value, '$[{index}]')");
        return $"INSERT INTO {table} ({string.Join(", ", columns.Select(column => column.Name))}) "
            + $"SELECT {string.Join(", ", values)} FROM json_each(@messages) ORDER BY key";
    }

    protected override void AddMessages(
        DbContext context, Column[] columns, IReadOnlyList<OutboxMessage> messages, List<object> parameters)
    {
        using var factory = context.Database.GetDbConnection().CreateCommand();
        parameters.Add(Parameter(factory, "messages", JsonSerializer.Serialize(
            messages.Select(message => columns.Select(column => Text(column.ProviderValue(message)))))));
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

    private static string? Text(Guid id) => Text((object)id);
}
