using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A statement with its parameters, for <c>ExecuteSqlRaw</c>.</summary>
internal sealed record SqlStatement(string Text, object[] Parameters);

/// <summary>A row of <see cref="OutboxState"/> to write.</summary>
/// <param name="OutboxId">The outbox.</param>
/// <param name="Delay">How long nobody may deliver it.</param>
internal sealed record NewOutbox(Guid OutboxId, TimeSpan Delay);

/// <summary>The statements of the outbox that LINQ cannot express; their number never depends on the number of messages.</summary>
internal abstract class OutboxStatements
{
    /// <summary>The properties of a message that are written; the sequence number is the database's.</summary>
    private static readonly (string Name, Func<OutboxMessage, object?> Value)[] Written =
    [
        (nameof(OutboxMessage.OutboxId), m => m.OutboxId),
        (nameof(OutboxMessage.InboxMessageId), m => m.InboxMessageId),
        (nameof(OutboxMessage.InboxConsumerId), m => m.InboxConsumerId),
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

    private readonly ConditionalWeakTable<IModel, ModelTexts> _texts = [];

    /// <summary>Whether a command of several statements needs no transaction around it.</summary>
    public abstract bool CommandsAreAtomic { get; }

    /// <summary>Writes outboxes and any number of messages, in their order, by one command.</summary>
    /// <param name="context">The DbContext of the transaction.</param>
    /// <param name="outboxes">The new rows of <see cref="OutboxState"/>; may be empty.</param>
    /// <param name="messages">At least one message.</param>
    public SqlStatement Insert(DbContext context, IReadOnlyList<NewOutbox> outboxes, IReadOnlyList<OutboxMessage> messages)
    {
        var texts = TextsOf(context);
        var parameters = new List<object>();
        AddMessages(context, texts.Columns, messages, parameters);
        var insert = messages.Count == 1 && texts.InsertOneMessage is { } one ? one : texts.InsertMessages;
        if (outboxes.Count == 0)
            return new SqlStatement(insert, [.. parameters]);

        var text = new System.Text.StringBuilder(insert);
        foreach (var outbox in outboxes)
        {
            text.Append(';').AppendLine().Append(texts.InsertState).Append($"({{{parameters.Count}}}, {{{parameters.Count + 1}}}, ")
                .Append(NowPlus($"{{{parameters.Count + 2}}}")).Append(')');
            parameters.AddRange([outbox.OutboxId, Guid.Empty, Offset(outbox.Delay)]);
        }

        return new SqlStatement(text.ToString(), [.. parameters]);
    }

    /// <summary>
    /// Writes the row of a received message, consumed as of now, or counts one more receipt in the row that is there, which it locks.
    /// Gives <c>Id</c>, <c>LockId</c> and <c>Delivered</c>: the lock id is the caller's if the message was not consumed before.
    /// </summary>
    public string EnterInbox(DbContext context) => TextsOf(context).EnterInbox;

    /// <summary>Deletes rows of the inbox that were delivered before {0}, at most {1}, leaving alone what others lock.</summary>
    public abstract string DeleteFromInbox(DbContext context);

    /// <summary>Takes rows of the inbox that were consumed before a time and are not delivered, but for some received messages.</summary>
    public abstract IQueryable<InboxState> ClaimFromInbox(DbContext context, DateTime before, int limit, Guid[] except);

    /// <summary>Takes outboxes that are due, oldest first. Where the database has row locks, others skip them until the transaction ends.</summary>
    public abstract Task<List<Guid>> ClaimAsync(DbContext context, OutboxSelection selection, CancellationToken cancellationToken);

    /// <summary>Reads the messages of claimed outboxes: of each the first ones, in order.</summary>
    /// <param name="context">The DbContext that claimed them.</param>
    /// <param name="outboxes">The outboxes.</param>
    /// <param name="each">At most so many of one outbox.</param>
    /// <param name="limit">At most so many in all.</param>
    public abstract IQueryable<OutboxMessage> Messages(DbContext context, Guid[] outboxes, int each, int limit);

    /// <summary>Deletes messages, and those of the outboxes that have none left.</summary>
    public abstract Task DeleteAsync(DbContext context, Guid[] outboxes, long[] messages, CancellationToken cancellationToken);

    /// <summary>An expression: the time of the database, plus an interval.</summary>
    protected abstract string NowPlus(string interval);

    /// <summary>The value of an interval for <see cref="NowPlus"/>.</summary>
    protected abstract object Offset(TimeSpan interval);

    /// <summary>A simpler statement for a single message; null where there is none.</summary>
    protected virtual string? InsertOneMessage(string table, Column[] columns) => null;

    protected abstract string InsertMessages(string table, Column[] columns);

    protected abstract void AddMessages(DbContext context, Column[] columns, IReadOnlyList<OutboxMessage> messages, List<object> parameters);

    protected static DbParameter Parameter(DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value;
        return parameter;
    }

    private static string EnterInboxText(DbContext context)
    {
        var names = TableNames.Of<InboxState>(context);
        string Column(string property) => names.Column(property);
        var (messageId, consumerId, lockId) = (Column(nameof(InboxState.MessageId)), Column(nameof(InboxState.ConsumerId)), Column(nameof(InboxState.LockId)));
        var (consumed, count) = (Column(nameof(InboxState.Consumed)), Column(nameof(InboxState.ReceiveCount)));
        return $"INSERT INTO {names.Table} AS i ({messageId}, {consumerId}, {lockId}, {Column(nameof(InboxState.Received))}, {consumed}, "
            + $"{Column(nameof(InboxState.ExpirationTime))}, {count}) VALUES ({{0}}, {{1}}, {{2}}, {{3}}, {{3}}, {{4}}, 1) "
            + $"ON CONFLICT ({messageId}, {consumerId}) DO UPDATE SET {count} = i.{count} + 1, "
            + $"{lockId} = CASE WHEN i.{consumed} IS NULL THEN excluded.{lockId} ELSE i.{lockId} END, "
            + $"{consumed} = COALESCE(i.{consumed}, excluded.{consumed}) "
            + $"RETURNING {Column(nameof(InboxState.Id))}, {lockId}, {Column(nameof(InboxState.Delivered))}";
    }

    private ModelTexts TextsOf(DbContext context)
    {
        if (_texts.TryGetValue(context.Model, out var texts))
            return texts;
        var messages = TableNames.Of<OutboxMessage>(context);
        var state = TableNames.Of<OutboxState>(context);
        var columns = Written.Select(column => new Column(
            messages.Column(column.Name), messages.Property(column.Name), column.Value)).ToArray();
        texts = new ModelTexts(columns, InsertMessages(messages.Table, columns), InsertOneMessage(messages.Table, columns),
            $"INSERT INTO {state.Table} ({state.Column(nameof(OutboxState.OutboxId))}, {state.Column(nameof(OutboxState.LockId))}, "
            + $"{state.Column(nameof(OutboxState.Created))}) VALUES ",
            EnterInboxText(context));
        _texts.AddOrUpdate(context.Model, texts);
        return texts;
    }

    private sealed record ModelTexts(Column[] Columns, string InsertMessages, string? InsertOneMessage, string InsertState, string EnterInbox);

    /// <summary>A column to write, with what turns a property's value into the database's.</summary>
    protected sealed class Column(string name, IProperty property, Func<OutboxMessage, object?> read)
    {
        private readonly RelationalTypeMapping _mapping = property.GetRelationalTypeMapping();

        public string Name { get; } = name;

        public Type ProviderType => Nullable.GetUnderlyingType(_mapping.Converter?.ProviderClrType ?? property.ClrType)
            ?? _mapping.Converter?.ProviderClrType ?? property.ClrType;

        public object? ProviderValue(OutboxMessage message) => read(message) is not { } value ? null
            : _mapping.Converter is { } converter ? converter.ConvertToProvider(value) : value;
    }
}

/// <summary>Which outboxes a pass may take.</summary>
/// <param name="Limit">At most this many.</param>
/// <param name="Only">If set, none but these.</param>
/// <param name="Except">None of these.</param>
internal sealed record OutboxSelection(int Limit, Guid[]? Only, Guid[] Except);
