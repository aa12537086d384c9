using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Makes SaveChanges write the captured messages, and signals their delivery after the commit.</summary>
/// <remarks>
/// Once a scope has asked for the bus, a SaveChanges outside a transaction opens one, so that rows and messages commit
/// together, also when messages are all there is, or come from another interceptor. Where an execution strategy may repeat
/// a SaveChanges, EF Core must open the transaction: there the messages become entities of the DbContext for that long.
/// Inside the caller's transaction the messages are written after SaveChanges succeeded: EF Core returns to a savepoint
/// when it fails, and what was written before that savepoint would stay.
/// </remarks>
internal sealed class OutboxInterceptor<TDbContext>(
    DbContextOutboxes<TDbContext> outboxes, OutboxWriter<TDbContext> writer, OutboxSignal<TDbContext> signal, TimeProvider clock)
    : ISaveChangesInterceptor, IDbTransactionInterceptor
    where TDbContext : DbContext
{
    public async ValueTask<InterceptionResult<int>> SavingChangesAsync(
        DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        if (OutsideTransaction(eventData.Context) is not { } outbox)
            return result;

        var context = eventData.Context!;
        if (context.Database.CreateExecutionStrategy().RetriesOnFailure)
        {
            BeginTracking(context, outbox);
            return result;
        }

        outbox.Own = Begin(context, await context.Database.BeginTransactionAsync(cancellationToken));
        try
        {
            outbox.Own.Messages.AddRange(await WriteAsync(context, outbox, cancellationToken));
        }
        catch
        {
            await AbandonAsync(context);
            throw;
        }

        return result;
    }

    public InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        if (OutsideTransaction(eventData.Context) is not { } outbox)
            return result;

        var context = eventData.Context!;
        if (context.Database.CreateExecutionStrategy().RetriesOnFailure)
        {
            BeginTracking(context, outbox);
            return result;
        }

        outbox.Own = Begin(context, context.Database.BeginTransaction());
        try
        {
            outbox.Own.Messages.AddRange(Write(context, outbox));
        }
        catch
        {
            Abandon(context);
            throw;
        }

        return result;
    }

    public async ValueTask<int> SavedChangesAsync(
        SaveChangesCompletedEventData eventData, int result, CancellationToken cancellationToken = default)
    {
        if (outboxes.Find(eventData.Context) is not { } outbox)
            return result;

        var context = eventData.Context!;
        if (End(context, outbox) is not { } own)
            await WriteAsync(context, outbox, cancellationToken);
        else if (own.Transaction is { } transaction)
            await using (transaction)
            {
                await WriteAsync(context, outbox, cancellationToken);
                await transaction.CommitAsync(cancellationToken);
            }
        else if ((await WriteAsync(context, outbox, cancellationToken)).Count > 0)
            Signal(outbox); // Published when the changes had been saved.

        return result;
    }

    public int SavedChanges(SaveChangesCompletedEventData eventData, int result)
    {
        if (outboxes.Find(eventData.Context) is not { } outbox)
            return result;

        var context = eventData.Context!;
        if (End(context, outbox) is not { } own)
            Write(context, outbox);
        else if (own.Transaction is { } transaction)
            using (transaction)
            {
                Write(context, outbox);
                transaction.Commit();
            }
        else if (Write(context, outbox).Count > 0)
            Signal(outbox);

        return result;
    }

    public Task SaveChangesFailedAsync(DbContextErrorEventData eventData, CancellationToken cancellationToken = default) =>
        AbandonAsync(eventData.Context);

    public Task SaveChangesCanceledAsync(DbContextEventData eventData, CancellationToken cancellationToken = default) =>
        AbandonAsync(eventData.Context);

    public void SaveChangesFailed(DbContextErrorEventData eventData) => Abandon(eventData.Context);

    public void SaveChangesCanceled(DbContextEventData eventData) => Abandon(eventData.Context);

    public Task TransactionCommittedAsync(
        DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        TransactionCommitted(transaction, eventData);
        return Task.CompletedTask;
    }

    public void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData)
    {
        if (outboxes.Find(eventData.Context) is { } outbox && outbox.LeaveTransaction(eventData.TransactionId))
            Signal(outbox);
    }

    private async Task<List<OutboxMessage>> WriteAsync(DbContext context, DbContextOutbox outbox, CancellationToken cancellationToken)
    {
        var messages = outbox.Buffer.Take();
        if (messages.Count == 0)
            return messages;
        var isNew = outbox.EnterTransaction(context.Database.CurrentTransaction?.TransactionId);
        outbox.Due.AddRange(OutboxWriter<TDbContext>.Due(messages));
        await writer.WriteAsync(context, outbox.OutboxId, isNew, messages, cancellationToken);
        return messages;
    }

    private List<OutboxMessage> Write(DbContext context, DbContextOutbox outbox)
    {
        var messages = outbox.Buffer.Take();
        if (messages.Count == 0)
            return messages;
        var isNew = outbox.EnterTransaction(context.Database.CurrentTransaction?.TransactionId);
        outbox.Due.AddRange(OutboxWriter<TDbContext>.Due(messages));
        writer.Write(context, outbox.OutboxId, isNew, messages);
        return messages;
    }

    // EF Core looks for changes after all interceptors, and before it reads what to save: by then everything is published.
    private void BeginTracking(DbContext context, DbContextOutbox outbox)
    {
        var own = new OwnWrite(Transaction: null, [], [], context.Database.AutoSavepointsEnabled) { TakesLate = (_, _) => Track(context, outbox) };
        outbox.Own = own;
        Track(context, outbox);
        context.ChangeTracker.DetectingAllChanges += own.TakesLate;
    }

    // The order of the messages is that in which they are added: EF Core inserts rows of one table in it.
    private void Track(DbContext context, DbContextOutbox outbox)
    {
        if (outbox.Own is not { } own || outbox.Buffer.Take() is not { Count: > 0 } messages)
            return;
        var isNew = own.Messages.Count == 0;
        if (isNew)
            outbox.EnterTransaction(transactionId: null);
        outbox.Due.AddRange(OutboxWriter<TDbContext>.Due(messages));
        var now = clock.GetUtcNow().UtcDateTime;
        var entities = writer.Distribute(outbox.OutboxId, isNew, messages)
            .Select(state => (object)new OutboxState { OutboxId = state.OutboxId, Created = now + state.Delay }).ToList();
        entities.AddRange(messages);
        own.Messages.AddRange(messages);
        own.Entities.AddRange(entities);
        context.AddRange(entities);
    }

    private static OwnWrite Begin(DbContext context, IDbContextTransaction transaction)
    {
        var own = new OwnWrite(transaction, [], [], context.Database.AutoSavepointsEnabled);
        context.Database.AutoSavepointsEnabled = false; // If it fails, the transaction goes.
        return own;
    }

    /// <summary>Ends a SaveChanges outside a transaction: its transaction is still to be committed, if it has one.</summary>
    private OwnWrite? End(DbContext context, DbContextOutbox outbox)
    {
        if (outbox.Own is not { } own)
            return null;
        outbox.Own = null;
        context.Database.AutoSavepointsEnabled = own.Savepoints;
        if (own.Transaction is not null)
            return own;
        context.ChangeTracker.DetectingAllChanges -= own.TakesLate;
        foreach (var entity in own.Entities)
            context.Entry(entity).State = EntityState.Detached;
        if (own.Messages.Count > 0)
            Signal(outbox);
        return own;
    }

    private void Signal(DbContextOutbox outbox)
    {
        signal.Raise();
        outbox.Due.ForEach(signal.RaiseAt);
        outbox.Due.Clear();
    }

    private DbContextOutbox? OutsideTransaction(DbContext? context) =>
        outboxes.Find(context) is { Own: null } outbox
        && context!.Database.CurrentTransaction is null
        && context.GetService<IDbContextTransactionManager>() is not ITransactionEnlistmentManager { EnlistedTransaction: not null }
        && System.Transactions.Transaction.Current is null
            ? outbox
            : null;

    private async Task AbandonAsync(DbContext? context)
    {
        if (PutBack(context) is { } transaction)
            await transaction.DisposeAsync();
    }

    private void Abandon(DbContext? context) => PutBack(context)?.Dispose();

    private IDbContextTransaction? PutBack(DbContext? context)
    {
        if (outboxes.Find(context) is not { Own: { } own } outbox)
            return null;
        outbox.Own = null;
        context!.ChangeTracker.DetectingAllChanges -= own.TakesLate;
        outbox.Buffer.PutBack(own.Messages);
        foreach (var entity in own.Entities)
        {
            context.Entry(entity).State = EntityState.Detached;
            if (entity is OutboxMessage message)
                message.SequenceNumber = 0;
        }

        context.Database.AutoSavepointsEnabled = own.Savepoints;
        return own.Transaction;
    }
}
