using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A statement with its parameters, for <c>ExecuteSqlRaw</c>.</summary>
internal sealed record SqlStatement(string Text, object[] Parameters);

/// <summary>The statements of the outbox that LINQ cannot express; their number never depends on the number of messages.</summary>
internal abstract class OutboxStatements
{
    /// <summary>The properties of a message that are written; the sequence number is the database's, the rest is the inbox's.</summary>
    private static readonly (string Name, Func<OutboxMessage, object?> Value)[] Written =
    [
        (nameof(OutboxMessage.OutboxId), m => m.OutboxId),
        (nameof(OutboxMessage.MessageId), m => m.MessageId),
        (nameof(OutboxMessage.EnqueueTime), m => m.EnqueueTime),
        (nameof(OutboxMessage.SentTime), m => m.SentTime),
        (nameof(OutboxMessage.Headers), m => m.Headers),
        (nameof(OutboxMessage.Properties), m => m.Properties),
        (nameof(OutboxMessage.ContentType), m => m.ContentType),
        (nameof(OutboxMessage.MessageType), m => m.MessageType),
        (nameof(OutboxMessage.Body), m => m.Body),
        (nameof(OutboxMessage.ConversationId), m => m.ConversationId),
        (nameof(OutboxMessage.CorrelationId), m => m.CorrelationId),
        (nameof(OutboxMessage.InitiatorId), m => m.InitiatorId),
        (nameof(OutboxMessage.RequestId), m => m.RequestId),
        (nameof(OutboxMessage.SourceAddress), m => m.SourceAddress),
        (nameof(OutboxMessage.DestinationAddress), m => m.DestinationAddress),
        (nameof(OutboxMessage.ResponseAddress), m => m.ResponseAddress),
        (nameof(OutboxMessage.FaultAddress), m => m.FaultAddress),
        (nameof(OutboxMessage.ExpirationTime), m => m.ExpirationTime),
    ];

    private readonly ConcurrentDictionary<IModel, string> _insertStates = new();
    private readonly ConcurrentDictionary<IModel, string> _insertMessages = new();

    /// <summary>Writes the row of a new outbox.</summary>
    public SqlStatement InsertState(DbContext context, Guid outboxId, DateTime created)
    {
        var text = _insertStates.GetOrAdd(context.Model, _ =>
        {
            var state = TableNames.Of<OutboxState>(context);
            return $"INSERT INTO {state.Table} ({state.Column(nameof(OutboxState.OutboxId))}, "
                + $"{state.Column(nameof(OutboxState.LockId))}, {state.Column(nameof(OutboxState.Created))}) VALUES ({{0}}, {{1}}, {{2}})";
        });
        return new SqlStatement(text, [outboxId, Guid.Empty, created]);
    }

    /// <summary>Writes any number of messages, in their order.</summary>
    public SqlStatement InsertMessages(DbContext context, IReadOnlyList<OutboxMessage> messages)
    {
        var names = TableNames.Of<OutboxMessage>(context);
        var columns = Written.Select(column =>
        {
            var property = names.Property(column.Name);
            var mapping = property.GetRelationalTypeMapping();
            return new Column(names.Column(column.Name), mapping, property.ClrType, column.Value);
        }).ToArray();
        return InsertMessages(context, names.Table, columns, messages);
    }

    /// <summary>Takes outboxes for delivery, oldest first. Where the database has row locks, others skip them until the transaction ends.</summary>
    public abstract Task<List<Guid>> ClaimAsync(DbContext context, OutboxSelection selection, CancellationToken cancellationToken);

    protected abstract SqlStatement InsertMessages(DbContext context, string table, Column[] columns, IReadOnlyList<OutboxMessage> messages);

    protected string Cached(DbContext context, Func<string> text) => _insertMessages.GetOrAdd(context.Model, _ => text());

    protected static DbParameter Parameter(DbContext context, string name, object value)
    {
        using var command = context.Database.GetDbConnection().CreateCommand();
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value;
        return parameter;
    }

    /// <summary>A column to write, with what turns a property's value into the database's.</summary>
    protected sealed record Column(string Name, RelationalTypeMapping Mapping, Type ClrType, Func<OutboxMessage, object?> Read)
    {
        public Type ProviderType { get; } = Nullable.GetUnderlyingType(Mapping.Converter?.ProviderClrType ?? ClrType)
            ?? Mapping.Converter?.ProviderClrType ?? ClrType;

        public object? ProviderValue(OutboxMessage message) => Read(message) is not { } value ? null
            : Mapping.Converter is { } converter ? converter.ConvertToProvider(value) : value;
    }
}

/// <summary>Which outboxes a pass may take.</summary>
/// <param name="Limit">At most this many.</param>
/// <param name="Only">If set, none but these.</param>
/// <param name="Except">None of these.</param>
internal sealed record OutboxSelection(int Limit, Guid[]? Only, Guid[] Except);
