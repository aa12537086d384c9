using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Lock statements by a formatter. Table, schema and columns come from the model of the DbContext.</summary>
public class SqlLockStatementProvider : ILockStatementProvider
{
    private readonly ILockStatementFormatter _formatter;
    private readonly string _defaultSchema;
    private readonly ConditionalWeakTable<IModel, Dictionary<string, string>>? _statements;

    /// <summary>Uses the schemas of the model; where it has none, the default one of the database.</summary>
    /// <param name="formatter">Writes the statements.</param>
    /// <param name="enableSchemaCaching">Whether a statement is written once for each model.</param>
    public SqlLockStatementProvider(ILockStatementFormatter formatter, bool enableSchemaCaching = true)
        : this("", formatter, enableSchemaCaching)
    {
    }

    /// <summary>Uses the schemas of the model; where it has none, the given one.</summary>
    /// <param name="defaultSchema">The schema of entities that the model gives none.</param>
    /// <param name="formatter">Writes the statements.</param>
    /// <param name="enableSchemaCaching">Whether a statement is written once for each model.</param>
    public SqlLockStatementProvider(string defaultSchema, ILockStatementFormatter formatter, bool enableSchemaCaching = true)
    {
        (_defaultSchema, _formatter) = (defaultSchema, formatter);
        _statements = enableSchemaCaching ? [] : null;
    }

    /// <summary>Whether a transaction can keep others away from single rows.</summary>
    internal virtual bool HasRowLocks => false;

    /// <summary>The statements that write and claim outboxes; null for a database that the outbox does not know.</summary>
    internal virtual OutboxStatements? Outbox => null;

    /// <inheritdoc />
    public virtual string GetRowLockStatement<T>(DbContext context) where T : class => GetRowLockStatement<T>(context, nameof(ISaga.CorrelationId));

    /// <inheritdoc />
    public virtual string GetRowLockStatement<T>(DbContext context, params string[] propertyNames) where T : class =>
        Cached(context, $"{typeof(T).FullName} {string.Join(' ', propertyNames)}", sb =>
        {
            var names = TableNames.Of<T>(context);
            _formatter.Create(sb, names.Schema ?? _defaultSchema, names.Name);
            for (var i = 0; i < propertyNames.Length; i++)
                _formatter.AppendColumn(sb, i, names.PlainColumn(propertyNames[i]));
            _formatter.Complete(sb);
        });

    /// <inheritdoc />
    public virtual string GetOutboxStatement(DbContext context) => Cached(context, nameof(OutboxState), sb =>
    {
        var names = TableNames.Of<OutboxState>(context);
        _formatter.CreateOutboxStatement(sb, names.Schema ?? _defaultSchema, names.Name, names.PlainColumn(nameof(OutboxState.Created)));
    });

    private string Cached(DbContext context, string key, Action<StringBuilder> write)
    {
        if (_statements is null)
            return Write(write);
        var statements = _statements.GetOrCreateValue(context.Model);
        lock (statements)
            return statements.TryGetValue(key, out var statement) ? statement : statements[key] = Write(write);
    }

    private static string Write(Action<StringBuilder> write)
    {
        var sb = new StringBuilder(128);
        write(sb);
        return sb.ToString();
    }
}

/// <summary>PostgreSQL: <c>FOR UPDATE</c>, and <c>SKIP LOCKED</c> for outboxes.</summary>
public class PostgresLockStatementProvider : SqlLockStatementProvider
{
    /// <summary>Uses the schemas of the model.</summary>
    /// <param name="enableSchemaCaching">Whether a statement is written once for each model.</param>
    public PostgresLockStatementProvider(bool enableSchemaCaching = true)
        : base(new PostgresLockStatementFormatter(), enableSchemaCaching)
    {
    }

    /// <summary>Uses the schemas of the model; where it has none, the given one.</summary>
    /// <param name="schemaName">The schema of entities that the model gives none.</param>
    /// <param name="enableSchemaCaching">Whether a statement is written once for each model.</param>
    public PostgresLockStatementProvider(string schemaName, bool enableSchemaCaching = true)
        : base(schemaName, new PostgresLockStatementFormatter(), enableSchemaCaching)
    {
    }

    internal override bool HasRowLocks => true;

    internal override OutboxStatements Outbox { get; } = new PostgresOutboxStatements();
}

/// <summary>SQLite: no lock clause. Its write transactions exclude each other (see <c>UseSqliteWriteLock</c>).</summary>
public class SqliteLockStatementProvider : SqlLockStatementProvider
{
    /// <summary>Uses the tables of the model.</summary>
    /// <param name="enableSchemaCaching">Whether a statement is written once for each model.</param>
    public SqliteLockStatementProvider(bool enableSchemaCaching = true)
        : base(new SqliteLockStatementFormatter(), enableSchemaCaching)
    {
    }

    internal override OutboxStatements Outbox { get; } = new SqliteOutboxStatements();
}
