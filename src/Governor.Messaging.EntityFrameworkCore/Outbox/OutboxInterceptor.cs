using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Makes SaveChanges write the captured messages, and signals their delivery after the commit.</summary>
/// <remarks>
/// Once a scope has asked for the bus, EF Core opens a transaction for every SaveChanges outside one, and the messages are
/// written in it at the last moment before its commit: by then every interceptor has published, and where an execution strategy
/// repeats the transaction, they are written again. If there is nothing but messages, EF Core opens none: they are written alone.
/// Inside the caller's transaction the messages are written after SaveChanges succeeded: EF Core returns to a savepoint
/// when it fails, and what was written before that savepoint would stay.
/// </remarks>
internal sealed class OutboxInterceptor<TDbContext>(
    DbContextOutboxes<TDbContext> outboxes, OutboxWriter<TDbContext> writer, OutboxSignal<TDbContext> signal)
    : ISaveChangesInterceptor, IDbTransactionInterceptor
    where TDbContext : DbContext
{
    public ValueTask<InterceptionResult<int>> SavingChangesAsync(
        DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult(SavingChanges(eventData, result));

    public InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        if (outboxes.Find(eventData.Context) is not { } outbox || IsInTransaction(eventData.Context!))
            return result;
        if (outbox.Own is { } own)
        {
            own.Nested++;
            return result;
        }

        var database = eventData.Context!.Database;
        outbox.Own = new OwnWrite([], database.AutoTransactionBehavior);
        database.AutoTransactionBehavior = AutoTransactionBehavior.Always;
        return result;
    }

    public async ValueTask<InterceptionResult> TransactionCommittingAsync(
        DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
    {
        if (outboxes.Find(eventData.Context) is { Own: { } own } outbox)
            await WriteAsync(eventData.Context!, outbox, own.Add(outbox.Buffer.Take()), cancellationToken);
        return result;
    }

    public InterceptionResult TransactionCommitting(DbTransaction transaction, TransactionEventData eventData, InterceptionResult result)
    {
        if (outboxes.Find(eventData.Context) is { Own: { } own } outbox)
            Write(eventData.Context!, outbox, own.Add(outbox.Buffer.Take()));
        return result;
    }

    public Task TransactionCommittedAsync(
        DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        TransactionCommitted(transaction, eventData);
        return Task.CompletedTask;
    }

    public void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData)
    {
        if (outboxes.Find(eventData.Context) is not { } outbox || !outbox.LeaveTransaction(eventData.TransactionId))
            return;
        outbox.Own?.Messages.Clear();
        Signal(outbox);
    }

    public async ValueTask<int> SavedChangesAsync(
        SaveChangesCompletedEventData eventData, int result, CancellationToken cancellationToken = default)
    {
        if (outboxes.Find(eventData.Context) is not { } outbox)
            return result;

        var context = eventData.Context!;
        var messages = outbox.Buffer.Take();
        if (outbox.Own is not { } own || IsInTransaction(context))
        {
            await WriteAsync(context, outbox, messages, cancellationToken);
            return result;
        }

        if (own.Add(messages).Count > 0)
            await context.Database.CreateExecutionStrategy().ExecuteAsync(ct => WriteAloneAsync(context, outbox, own.Messages, ct), cancellationToken);
        Done(context, outbox, own);
        return result;
    }

    public int SavedChanges(SaveChangesCompletedEventData eventData, int result)
    {
        if (outboxes.Find(eventData.Context) is not { } outbox)
            return result;

        var context = eventData.Context!;
        var messages = outbox.Buffer.Take();
        if (outbox.Own is not { } own || IsInTransaction(context))
        {
            Write(context, outbox, messages);
            return result;
        }

        if (own.Add(messages).Count > 0)
            context.Database.CreateExecutionStrategy().Execute(() => WriteAlone(context, outbox, own.Messages));
        Done(context, outbox, own);
        return result;
    }

    public Task SaveChangesFailedAsync(DbContextErrorEventData eventData, CancellationToken cancellationToken = default)
    {
        PutBack(eventData.Context);
        return Task.CompletedTask;
    }

    public Task SaveChangesCanceledAsync(DbContextEventData eventData, CancellationToken cancellationToken = default)
    {
        PutBack(eventData.Context);
        return Task.CompletedTask;
    }

    public void SaveChangesFailed(DbContextErrorEventData eventData) => PutBack(eventData.Context);

    public void SaveChangesCanceled(DbContextEventData eventData) => PutBack(eventData.Context);

    private async Task WriteAloneAsync(DbContext context, DbContextOutbox outbox, List<OutboxMessage> messages, CancellationToken cancellationToken)
    {
        if (writer.CommandsAreAtomic)
        {
            await WriteAsync(context, outbox, messages, cancellationToken);
            return;
        }

        await using var transaction = await context.Database.BeginTransactionAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken); // Writes what waits.
    }

    private void WriteAlone(DbContext context, DbContextOutbox outbox, List<OutboxMessage> messages)
    {
        if (writer.CommandsAreAtomic)
        {
            Write(context, outbox, messages);
            return;
        }

        using var transaction = context.Database.BeginTransaction();
        transaction.Commit();
    }

    private async Task WriteAsync(DbContext context, DbContextOutbox outbox, List<OutboxMessage> messages, CancellationToken cancellationToken)
    {
        if (messages.Count == 0)
            return;
        var isNew = Enter(context, outbox, messages);
        await writer.WriteAsync(context, outbox.OutboxId, isNew, messages, cancellationToken);
    }

    private void Write(DbContext context, DbContextOutbox outbox, List<OutboxMessage> messages)
    {
        if (messages.Count == 0)
            return;
        var isNew = Enter(context, outbox, messages);
        writer.Write(context, outbox.OutboxId, isNew, messages);
    }

    /// <summary>Gives the messages their outbox. Says whether it is new.</summary>
    private static bool Enter(DbContext context, DbContextOutbox outbox, List<OutboxMessage> messages)
    {
        var isNew = outbox.EnterTransaction(context.Database.CurrentTransaction?.TransactionId);
        outbox.Due.AddRange(OutboxWriter<TDbContext>.Due(messages));
        return isNew;
    }

    private void Done(DbContext context, DbContextOutbox outbox, OwnWrite own)
    {
        if (own.Messages.Count > 0)
            Signal(outbox);
        End(context, outbox, own);
    }

    private void PutBack(DbContext? context)
    {
        if (outboxes.Find(context) is not { Own: { } own } outbox || IsInTransaction(context!))
            return;
        outbox.Buffer.PutBack(own.Messages);
        End(context!, outbox, own);
    }

    private static void End(DbContext context, DbContextOutbox outbox, OwnWrite own)
    {
        own.Messages.Clear();
        if (own.Nested-- > 0)
            return;
        outbox.Own = null;
        context.Database.AutoTransactionBehavior = own.Before;
    }

    private void Signal(DbContextOutbox outbox)
    {
        signal.Raise();
        outbox.Due.ForEach(signal.RaiseAt);
        outbox.Due.Clear();
    }

    /// <summary>Whether the caller has opened a transaction: EF Core's own is over before SaveChanges is.</summary>
    private static bool IsInTransaction(DbContext context) =>
        context.Database.CurrentTransaction is not null
        || context.GetService<IDbContextTransactionManager>() is ITransactionEnlistmentManager { EnlistedTransaction: not null }
        || System.Transactions.Transaction.Current is not null;
}
