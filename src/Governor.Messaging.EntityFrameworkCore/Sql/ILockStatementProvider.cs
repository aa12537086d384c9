using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Writes the statements that lock rows, which differ from database to database.</summary>
public interface ILockStatementProvider
{
    /// <summary>A statement that reads the rows of an entity with given property values and locks them until the transaction ends.</summary>
    /// <param name="context">The DbContext whose model names table and columns.</param>
    /// <param name="propertyNames">The properties to compare; <c>{0}</c>, <c>{1}</c> … are the placeholders of their values.</param>
    /// <typeparam name="T">The entity; it must be mapped to a table.</typeparam>
    /// <returns>SQL for <c>FromSqlRaw</c>.</returns>
    /// <exception cref="InvalidOperationException">The entity, or a property, is not mapped.</exception>
    string GetRowLockStatement<T>(DbContext context, params string[] propertyNames) where T : class;
}
