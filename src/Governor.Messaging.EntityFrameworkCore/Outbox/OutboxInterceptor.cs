using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Makes SaveChanges write the captured messages, and signals their delivery after the commit.</summary>
/// <remarks>
/// Once a scope has asked for the bus, a SaveChanges outside a transaction opens one, so that rows and messages commit
/// together, also when messages are all there is, or come from another interceptor. Inside the caller's transaction
/// the messages are written after SaveChanges succeeded: EF Core returns to a savepoint when it fails, and what was
/// written before that savepoint would stay.
/// </remarks>
internal sealed class OutboxInterceptor<TDbContext>(
    DbContextOutboxes<TDbContext> outboxes, OutboxWriter<TDbContext> writer, OutboxSignal<TDbContext> signal)
    : ISaveChangesInterceptor, IDbTransactionInterceptor
    where TDbContext : DbContext
{
    public async ValueTask<InterceptionResult<int>> SavingChangesAsync(
        DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        if (NeedsTransaction(eventData.Context) is not { } outbox)
            return result;

        var context = eventData.Context!;
        outbox.OwnTransaction = await context.Database.BeginTransactionAsync(cancellationToken);
        try
        {
            outbox.Written = await WriteAsync(context, outbox, cancellationToken);
        }
        catch
        {
            await AbandonAsync(outbox);
            throw;
        }

        return result;
    }

    public InterceptionResult<int> SavingChanges(DbContextEventData eventData, InterceptionResult<int> result)
    {
        if (NeedsTransaction(eventData.Context) is not { } outbox)
            return result;

        var context = eventData.Context!;
        outbox.OwnTransaction = context.Database.BeginTransaction();
        try
        {
            outbox.Written = Write(context, outbox);
        }
        catch
        {
            Abandon(outbox);
            throw;
        }

        return result;
    }

    public async ValueTask<int> SavedChangesAsync(
        SaveChangesCompletedEventData eventData, int result, CancellationToken cancellationToken = default)
    {
        if (outboxes.Find(eventData.Context) is not { } outbox)
            return result;

        if (outbox.OwnTransaction is { } transaction)
        {
            outbox.OwnTransaction = null;
            outbox.Written = [];
            await using (transaction)
            {
                await WriteAsync(eventData.Context!, outbox, cancellationToken);
                await transaction.CommitAsync(cancellationToken);
            }
        }
        else
        {
            await WriteAsync(eventData.Context!, outbox, cancellationToken);
        }

        return result;
    }

    public int SavedChanges(SaveChangesCompletedEventData eventData, int result)
    {
        if (outboxes.Find(eventData.Context) is not { } outbox)
            return result;

        if (outbox.OwnTransaction is { } transaction)
        {
            outbox.OwnTransaction = null;
            outbox.Written = [];
            using (transaction)
            {
                Write(eventData.Context!, outbox);
                transaction.Commit();
            }
        }
        else
        {
            Write(eventData.Context!, outbox);
        }

        return result;
    }

    public Task SaveChangesFailedAsync(DbContextErrorEventData eventData, CancellationToken cancellationToken = default) =>
        AbandonAsync(outboxes.Find(eventData.Context));

    public Task SaveChangesCanceledAsync(DbContextEventData eventData, CancellationToken cancellationToken = default) =>
        AbandonAsync(outboxes.Find(eventData.Context));

    public void SaveChangesFailed(DbContextErrorEventData eventData) => Abandon(outboxes.Find(eventData.Context));

    public void SaveChangesCanceled(DbContextEventData eventData) => Abandon(outboxes.Find(eventData.Context));

    public Task TransactionCommittedAsync(
        DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        TransactionCommitted(transaction, eventData);
        return Task.CompletedTask;
    }

    public void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData)
    {
        if (outboxes.Find(eventData.Context)?.LeaveTransaction(transaction) == true)
            signal.Raise();
    }

    private async Task<List<OutboxMessage>> WriteAsync(DbContext context, DbContextOutbox outbox, CancellationToken cancellationToken)
    {
        var messages = outbox.Buffer.Take();
        if (messages.Count == 0)
            return messages;
        var isNew = outbox.EnterTransaction(context.Database.CurrentTransaction?.GetDbTransaction());
        await writer.WriteAsync(context, outbox.OutboxId, isNew, messages, cancellationToken);
        return messages;
    }

    private List<OutboxMessage> Write(DbContext context, DbContextOutbox outbox)
    {
        var messages = outbox.Buffer.Take();
        if (messages.Count == 0)
            return messages;
        var isNew = outbox.EnterTransaction(context.Database.CurrentTransaction?.GetDbTransaction());
        writer.Write(context, outbox.OutboxId, isNew, messages);
        return messages;
    }

    private DbContextOutbox? NeedsTransaction(DbContext? context) =>
        outboxes.Find(context) is { OwnTransaction: null } outbox
        && context!.Database.CurrentTransaction is null
        && context.GetService<IDbContextTransactionManager>() is not ITransactionEnlistmentManager { EnlistedTransaction: not null }
        && System.Transactions.Transaction.Current is null
            ? outbox
            : null;

    private static async Task AbandonAsync(DbContextOutbox? outbox)
    {
        if (outbox?.OwnTransaction is not { } transaction)
            return;
        outbox.OwnTransaction = null;
        outbox.Buffer.PutBack(outbox.Written);
        outbox.Written = [];
        await transaction.DisposeAsync();
    }

    private static void Abandon(DbContextOutbox? outbox)
    {
        if (outbox?.OwnTransaction is not { } transaction)
            return;
        outbox.OwnTransaction = null;
        outbox.Buffer.PutBack(outbox.Written);
        outbox.Written = [];
        transaction.Dispose();
    }
}
