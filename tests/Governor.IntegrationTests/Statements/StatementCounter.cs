using Npgsql;

namespace Governor.IntegrationTests;

/// <summary>Counts the statements that a database server executed in one database, by <c>pg_stat_statements</c>.</summary>
internal sealed class StatementCounter
{
    private readonly string connectionString;

    private StatementCounter(string connectionString) => this.connectionString = connectionString;

    /// <summary>Makes the extension available in the database.</summary>
    public static async Task<StatementCounter> CreateAsync(string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(CancellationToken.None);
        await using var command = new NpgsqlCommand("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", connection);
        await command.ExecuteNonQueryAsync(CancellationToken.None);
        return new StatementCounter(connectionString);
    }

    /// <summary>The counts until now. They only grow: what a stretch of time cost is <see cref="StatementCounts.Since"/>.</summary>
    public async Task<StatementCounts> CountAsync()
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(CancellationToken.None);
        // One text may be several entries: the server tells users, plans and search paths apart.
        await using var command = new NpgsqlCommand(
            """
            SELECT s.query, s.toplevel, sum(s.calls)::bigint, sum(s.rows)::bigint, (SELECT dealloc FROM pg_stat_statements_info)
            FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
            WHERE d.datname = current_database() AND s.query NOT LIKE '%pg_stat_statements%'
            GROUP BY s.query, s.toplevel
            """,
            connection);
        var statements = new Dictionary<(string, bool), Statement>();
        long forgotten = 0;
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        while (await reader.ReadAsync(CancellationToken.None))
        {
            var statement = new Statement(reader.GetString(0), reader.GetBoolean(1), reader.GetInt64(2), reader.GetInt64(3));
            forgotten = reader.GetInt64(4);
            statements.Add((statement.Query, statement.TopLevel), statement);
        }

        return new StatementCounts(statements, forgotten);
    }
}

/// <summary>One kind of statement, its constants replaced by parameters.</summary>
/// <param name="Query">Its text.</param>
/// <param name="TopLevel">Whether a client sent it; otherwise a function, a trigger or the check of a foreign key did.</param>
/// <param name="Calls">How often it ran.</param>
/// <param name="Rows">Rows that it returned or changed, all calls together.</param>
internal sealed record Statement(string Query, bool TopLevel, long Calls, long Rows);

/// <summary>The counts of all statements at one moment.</summary>
internal sealed class StatementCounts(IReadOnlyDictionary<(string Query, bool TopLevel), Statement> statements, long forgotten)
{
    /// <summary>The statements, in no order.</summary>
    public IEnumerable<Statement> Statements => statements.Values;

    /// <summary>What ran since an earlier moment, most frequent first.</summary>
    public IReadOnlyList<Statement> Since(StatementCounts earlier)
    {
        // The server drops rare statements when it knows more than pg_stat_statements.max: then a count would be a lie.
        Assert.Equal(earlier.Forgotten, forgotten);
        return
        [
            .. statements.Values
                .Select(s => earlier.Find(s) is { } before ? s with { Calls = s.Calls - before.Calls, Rows = s.Rows - before.Rows } : s)
                .Where(s => s.Calls > 0)
                .OrderByDescending(s => s.Calls),
        ];
    }

    private long Forgotten => forgotten;

    private Statement? Find(Statement statement) => statements.GetValueOrDefault((statement.Query, statement.TopLevel));
}
