using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Governor.Benchmarks;

/// <summary>Fills the outbox with copies of a row that the library itself has written.</summary>
internal static class Backlog
{
    public static readonly Uri Sink = new("queue:sink");

    /// <summary>Keeps a row of each table, written by the library, to copy from.</summary>
    public static async Task CaptureAsync(Servers servers)
    {
        await ExecuteAsync(servers, "TRUNCATE \"OutboxMessage\", \"OutboxState\"");
        await using (var host = await BenchmarkHost.StartAsync(servers, delivers: false))
            await host.SendThroughOutboxAsync(Sink, Guid.NewGuid());
        await ExecuteAsync(servers, """
            DROP TABLE IF EXISTS one_message, one_state;
            CREATE TABLE one_message AS SELECT * FROM "OutboxMessage";
            CREATE TABLE one_state AS SELECT * FROM "OutboxState";
            TRUNCATE "OutboxMessage", "OutboxState";
            """);
    }

    /// <summary>Outboxes with so many messages each, oldest first, with the statistics that autovacuum would have made.</summary>
    public static async Task FillAsync(Servers servers, int outboxes, int messages, CancellationToken cancellationToken)
    {
        await ExecuteAsync(servers, "TRUNCATE \"OutboxMessage\", \"OutboxState\"", cancellationToken);
        await using var context = new BenchmarkDbContext(
            new DbContextOptionsBuilder<BenchmarkDbContext>().UseNpgsql(servers.ConnectionString).Options);
        var columns = context.Model.FindEntityType(typeof(OutboxMessage))!.GetProperties().Select(property => property.GetColumnName())
            .Where(column => column is not (nameof(OutboxMessage.SequenceNumber) or nameof(OutboxMessage.OutboxId) or nameof(OutboxMessage.MessageId)))
            .Select(column => $"\"{column}\"").ToArray();
        await ExecuteAsync(servers, $"""
            CREATE TEMP TABLE ids AS SELECT n, gen_random_uuid() AS id FROM generate_series(1, {outboxes}) AS n;
            INSERT INTO "OutboxState" ("OutboxId", "LockId", "Created")
                SELECT ids.id, s."LockId", s."Created" + n * interval '1 microsecond' FROM ids CROSS JOIN one_state AS s ORDER BY n;
            INSERT INTO "OutboxMessage" ("OutboxId", "MessageId", {string.Join(", ", columns)})
                SELECT ids.id, gen_random_uuid(), {string.Join(", ", columns.Select(column => "m." + column))}
                FROM ids CROSS JOIN generate_series(1, {messages}) AS k CROSS JOIN one_message AS m ORDER BY n, k;
            DROP TABLE ids;
            """, cancellationToken);
        await ExecuteAsync(servers, "VACUUM ANALYZE \"OutboxMessage\"", cancellationToken);
        await ExecuteAsync(servers, "VACUUM ANALYZE \"OutboxState\"", cancellationToken);
        await ExecuteAsync(servers, "CHECKPOINT", cancellationToken);
    }

    public static async Task ExecuteAsync(Servers servers, string sql, CancellationToken cancellationToken = default)
    {
        await using var connection = new NpgsqlConnection(servers.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 600 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
