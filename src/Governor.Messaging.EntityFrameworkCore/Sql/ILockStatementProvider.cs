using System.Text;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Writes the statements that lock rows, which differ from database to database.</summary>
public interface ILockStatementProvider
{
    /// <summary>A statement that reads the instance of a saga with a given <c>CorrelationId</c> and locks it until the transaction ends.</summary>
    /// <param name="context">The DbContext whose model names table and columns.</param>
    /// <typeparam name="T">The saga; it must be mapped to a table.</typeparam>
    /// <returns>SQL for <c>FromSqlRaw</c>; <c>{0}</c> is the placeholder of the id.</returns>
    /// <exception cref="InvalidOperationException">The saga is not mapped.</exception>
    string GetRowLockStatement<T>(DbContext context) where T : class;

    /// <summary>A statement that reads the rows of an entity with given property values and locks them until the transaction ends.</summary>
    /// <param name="context">The DbContext whose model names table and columns.</param>
    /// <param name="propertyNames">The properties to compare; <c>{0}</c>, <c>{1}</c> … are the placeholders of their values.</param>
    /// <typeparam name="T">The entity; it must be mapped to a table.</typeparam>
    /// <returns>SQL for <c>FromSqlRaw</c>.</returns>
    /// <exception cref="InvalidOperationException">The entity, or a property, is not mapped.</exception>
    string GetRowLockStatement<T>(DbContext context, params string[] propertyNames) where T : class;

    /// <summary>A statement that reads the oldest outbox that nobody has locked, and locks it until the transaction ends.</summary>
    /// <param name="context">The DbContext that maps <see cref="OutboxState"/>.</param>
    /// <returns>SQL for <c>FromSqlRaw</c>.</returns>
    string GetOutboxStatement(DbContext context);
}

/// <summary>Writes the parts of a lock statement for one kind of database; for databases that this library does not know.</summary>
public interface ILockStatementFormatter
{
    /// <summary>Begins a statement that reads a table.</summary>
    /// <param name="sb">Gets the text.</param>
    /// <param name="schema">The schema; empty for the default one.</param>
    /// <param name="table">The table, as it is called: not delimited.</param>
    void Create(StringBuilder sb, string schema, string table);

    /// <summary>Adds the comparison of a column with a parameter.</summary>
    /// <param name="sb">Gets the text.</param>
    /// <param name="index">Number of the parameter; 0 is the first comparison.</param>
    /// <param name="columnName">The column, not delimited.</param>
    void AppendColumn(StringBuilder sb, int index, string columnName);

    /// <summary>Ends the statement.</summary>
    /// <param name="sb">Gets the text.</param>
    void Complete(StringBuilder sb);

    /// <summary>Writes a statement that reads and locks the first row of a table that nobody has locked.</summary>
    /// <param name="sb">Gets the text.</param>
    /// <param name="schema">The schema; empty for the default one.</param>
    /// <param name="table">The table, not delimited.</param>
    /// <param name="columnName">The column to order by, not delimited.</param>
    void CreateOutboxStatement(StringBuilder sb, string schema, string table, string columnName);
}
