using System.Text;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Lock statements of PostgreSQL.</summary>
public class PostgresLockStatementFormatter : ILockStatementFormatter
{
    /// <inheritdoc />
    /// <remarks>A concurrency token that is mapped to <c>xmin</c> is no part of <c>*</c>.</remarks>
    public void Create(StringBuilder sb, string schema, string table) => sb.Append("SELECT *, xmin FROM ").Append(Table(schema, table)).Append(" WHERE ");

    /// <inheritdoc />
    public void AppendColumn(StringBuilder sb, int index, string columnName) =>
        sb.Append(index == 0 ? "" : " AND ").Append('"').Append(columnName).Append("\" = {").Append(index).Append('}');

    /// <inheritdoc />
    public void Complete(StringBuilder sb) => sb.Append(" FOR UPDATE");

    /// <inheritdoc />
    public void CreateOutboxStatement(StringBuilder sb, string schema, string table, string columnName) =>
        sb.Append("SELECT * FROM ").Append(Table(schema, table)).Append(" ORDER BY \"").Append(columnName).Append("\" LIMIT 1 FOR UPDATE SKIP LOCKED");

    private static string Table(string schema, string table) => schema.Length == 0 ? $"\"{table}\"" : $"\"{schema}\".\"{table}\"";
}

/// <summary>Reading statements of SQLite, which has no row locks and no schemas.</summary>
public class SqliteLockStatementFormatter : ILockStatementFormatter
{
    /// <inheritdoc />
    public void Create(StringBuilder sb, string schema, string table) => sb.Append("SELECT * FROM \"").Append(table).Append("\" WHERE ");

    /// <inheritdoc />
    public void AppendColumn(StringBuilder sb, int index, string columnName) =>
        sb.Append(index == 0 ? "" : " AND ").Append('"').Append(columnName).Append("\" = {").Append(index).Append('}');

    /// <inheritdoc />
    public void Complete(StringBuilder sb)
    {
        // The write lock of the transaction is all there is.
    }

    /// <inheritdoc />
    public void CreateOutboxStatement(StringBuilder sb, string schema, string table, string columnName) =>
        sb.Append("SELECT * FROM \"").Append(table).Append("\" ORDER BY \"").Append(columnName).Append("\" LIMIT 1");
}
