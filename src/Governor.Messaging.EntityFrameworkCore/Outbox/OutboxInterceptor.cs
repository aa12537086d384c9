using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Makes SaveChanges write the captured messages, and signals their delivery after the commit.</summary>
/// <remarks>
/// Outside a transaction one is opened before SaveChanges, so that rows and messages commit together, also when
/// messages are all there is. Inside the caller's transaction the messages are written after SaveChanges succeeded:
/// EF Core returns to a savepoint when it fails, and what was written before that savepoint would stay.
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
            var isNew = outbox.EnterTransaction(outbox.OwnTransaction.GetDbTransaction());
            outbox.Written = outbox.Buffer.Take();
            await writer.WriteAsync(context, outbox.OutboxId, isNew, outbox.Written, cancellationToken);
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
            var isNew = outbox.EnterTransaction(outbox.OwnTransaction.GetDbTransaction());
            outbox.Written = outbox.Buffer.Take();
            writer.Write(context, outbox.OutboxId, isNew, outbox.Written);
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
                await transaction.CommitAsync(cancellationToken);
        }
        else if (!outbox.Buffer.IsEmpty)
        {
            var context = eventData.Context!;
            var isNew = outbox.EnterTransaction(context.Database.CurrentTransaction?.GetDbTransaction());
            await writer.WriteAsync(context, outbox.OutboxId, isNew, outbox.Buffer.Take(), cancellationToken);
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
                transaction.Commit();
        }
        else if (!outbox.Buffer.IsEmpty)
        {
            var context = eventData.Context!;
            var isNew = outbox.EnterTransaction(context.Database.CurrentTransaction?.GetDbTransaction());
            writer.Write(context, outbox.OutboxId, isNew, outbox.Buffer.Take());
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

    private DbContextOutbox? NeedsTransaction(DbContext? context) =>
        outboxes.Find(context) is { Buffer.IsEmpty: false } outbox
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
