using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The delimited names of an entity's table and columns, as the model of a DbContext has them.</summary>
internal sealed class TableNames
{
    private readonly IEntityType _entityType;
    private readonly StoreObjectIdentifier _table;
    private readonly ISqlGenerationHelper _sql;

    private TableNames(IEntityType entityType, StoreObjectIdentifier table, ISqlGenerationHelper sql)
    {
        (_entityType, _table, _sql) = (entityType, table, sql);
        Table = sql.DelimitIdentifier(table.Name, table.Schema);
    }

    /// <summary>The table, with its schema if it has one.</summary>
    public string Table { get; }

    public static TableNames Of<T>(DbContext context) where T : class
    {
        var entityType = context.Model.FindEntityType(typeof(T)) ?? throw new InvalidOperationException(
            $"{context.GetType().Name} does not map {typeof(T).Name}; map it in OnModelCreating "
            + $"(for the outbox: modelBuilder.{nameof(TransactionalOutboxModelExtensions.AddTransactionalOutboxEntities)}()).");
        var table = StoreObjectIdentifier.Create(entityType, StoreObjectType.Table) ?? throw new InvalidOperationException(
            $"{typeof(T).Name} is not mapped to a table in {context.GetType().Name}.");
        return new TableNames(entityType, table, context.GetService<ISqlGenerationHelper>());
    }

    /// <summary>The schema that the model gives the table; null for none.</summary>
    public string? Schema => _table.Schema;

    /// <summary>The table without its schema, not delimited.</summary>
    public string Name => _table.Name;

    /// <summary>The delimited column of a property.</summary>
    public string Column(string propertyName) => _sql.DelimitIdentifier(PlainColumn(propertyName));

    /// <summary>The column of a property, not delimited.</summary>
    public string PlainColumn(string propertyName) => Property(propertyName).GetColumnName(_table)
        ?? throw new InvalidOperationException($"{_entityType.DisplayName()}.{propertyName} has no column in {Table}.");

    public IProperty Property(string propertyName) => _entityType.FindProperty(propertyName)
        ?? throw new InvalidOperationException($"{_entityType.DisplayName()} has no mapped property {propertyName}.");
}
