using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>What this library knows of one kind of database: row locks for sagas, and the statements of the outbox.</summary>
public abstract class SqlLockStatementProvider : ILockStatementProvider
{
    private readonly string _lockClause;

    private protected SqlLockStatementProvider(string lockClause) => _lockClause = lockClause;

    /// <summary>Whether a transaction can keep others away from single rows.</summary>
    internal bool HasRowLocks => _lockClause.Length > 0;

    /// <summary>The statements that write and claim outboxes.</summary>
    internal abstract OutboxStatements Outbox { get; }

    /// <inheritdoc />
    public string GetRowLockStatement<T>(DbContext context, params string[] propertyNames) where T : class
    {
        var names = TableNames.Of<T>(context);
        var conditions = propertyNames.Select((property, index) => $"{names.Column(property)} = {{{index}}}");
        return $"SELECT {string.Join(", ", names.AllColumns())} FROM {names.Table} WHERE {string.Join(" AND ", conditions)}{_lockClause}";
    }
}

/// <summary>PostgreSQL: <c>FOR UPDATE</c>, and <c>SKIP LOCKED</c> for outboxes.</summary>
public sealed class PostgresLockStatementProvider() : SqlLockStatementProvider(" FOR UPDATE")
{
    internal override OutboxStatements Outbox { get; } = new PostgresOutboxStatements();
}

/// <summary>SQLite: no lock clause. Its write transactions exclude each other (see <c>UseSqliteWriteLock</c>).</summary>
public sealed class SqliteLockStatementProvider() : SqlLockStatementProvider("")
{
    internal override OutboxStatements Outbox { get; } = new SqliteOutboxStatements();
}
