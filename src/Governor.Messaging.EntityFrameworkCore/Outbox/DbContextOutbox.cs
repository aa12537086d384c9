using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The bus outbox of one DbContext instance in one scope: what waits for its next SaveChanges.</summary>
internal sealed class DbContextOutbox
{
    private DbTransaction? _writtenIn;

    public OutboxBuffer Buffer { get; } = new();

    public Guid OutboxId { get; private set; }

    /// <summary>The transaction that was opened for a SaveChanges outside any; null otherwise.</summary>
    public IDbContextTransaction? OwnTransaction { get; set; }

    /// <summary>What was written in <see cref="OwnTransaction"/>, to be put back if SaveChanges fails.</summary>
    public List<OutboxMessage> Written { get; set; } = [];

    /// <summary>All messages of one transaction share an outbox, whatever the number of SaveChanges. Says whether it is new.</summary>
    public bool EnterTransaction(DbTransaction? transaction)
    {
        if (transaction is not null && ReferenceEquals(transaction, _writtenIn))
            return false;
        _writtenIn = transaction;
        OutboxId = NewId.NextGuid();
        return true;
    }

    /// <summary>Whether messages were written in the transaction, which is now over.</summary>
    public bool LeaveTransaction(DbTransaction transaction)
    {
        if (!ReferenceEquals(transaction, _writtenIn))
            return false;
        _writtenIn = null;
        return true;
    }
}

/// <summary>Finds the outbox of a DbContext from within EF Core's interceptors.</summary>
internal sealed class DbContextOutboxes<TDbContext> where TDbContext : DbContext
{
    private readonly ConditionalWeakTable<DbContext, DbContextOutbox> _outboxes = [];

    public DbContextOutbox? Find(DbContext? context) =>
        context is not null && _outboxes.TryGetValue(context, out var outbox) ? outbox : null;

    public void Attach(DbContext context, DbContextOutbox outbox) => _outboxes.AddOrUpdate(context, outbox);

    public void Detach(DbContext context) => _outboxes.Remove(context);
}
