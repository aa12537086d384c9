using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The bus outbox of one DbContext instance in one scope: what waits for its next SaveChanges.</summary>
internal abstract class DbContextOutbox
{
    // By its id: drivers use their transaction objects again, and one that was rolled back would be taken for the next.
    private Guid? _writtenIn;

    public OutboxBuffer Buffer { get; } = new();

    public Guid OutboxId { get; private set; }

    /// <summary>The SaveChanges that is under way; null in the caller's transaction.</summary>
    public OwnWrite? Own { get; set; }

    /// <summary>When the delayed messages of the transaction are due, UTC.</summary>
    public List<DateTime> Due { get; } = [];

    /// <summary>All messages of one transaction share an outbox, whatever the number of SaveChanges. Says whether it is new.</summary>
    public bool EnterTransaction(Guid? transactionId)
    {
        if (transactionId is not null && transactionId == _writtenIn)
            return false;
        _writtenIn = transactionId;
        OutboxId = NewId.NextGuid();
        Due.Clear();
        return true;
    }

    /// <summary>Whether messages were written in the transaction, which is now over.</summary>
    public bool LeaveTransaction(Guid transactionId)
    {
        if (transactionId != _writtenIn)
            return false;
        _writtenIn = null;
        return true;
    }
}

/// <summary>A SaveChanges outside a transaction, and the messages that it has taken.</summary>
/// <param name="Messages">Those that are not committed: to be written, and to be put back if it fails.</param>
/// <param name="Before">When EF Core opens a transaction outside this SaveChanges.</param>
internal sealed record OwnWrite(List<OutboxMessage> Messages, AutoTransactionBehavior Before)
{
    /// <summary>How many more an interceptor has begun meanwhile, each in a transaction of its own.</summary>
    public int Nested { get; set; }

    /// <summary>Takes more messages; gives all.</summary>
    public List<OutboxMessage> Add(List<OutboxMessage> messages)
    {
        Messages.AddRange(messages);
        return Messages;
    }
}

/// <summary>The outbox of a scope's DbContext, shared by the buses of the scope.</summary>
/// <remarks>The DbContext is resolved before this object exists, hence disposed after it: a pooled instance is detached from
/// this scope's outbox before another scope can get it.</remarks>
internal sealed class DbContextOutbox<TDbContext> : DbContextOutbox, IDisposable where TDbContext : DbContext
{
    private readonly TDbContext _context;
    private readonly DbContextOutboxes<TDbContext> _outboxes;

    public DbContextOutbox(TDbContext context, DbContextOutboxes<TDbContext> outboxes, OutboxInterceptor<TDbContext> interceptor)
    {
        (_context, _outboxes) = (context, outboxes);
        if (context.GetService<IDbContextOptions>().FindExtension<CoreOptionsExtension>()?.Interceptors?.Contains(interceptor) != true)
            throw new InvalidOperationException($"{typeof(TDbContext).Name} does not know the outbox, so that SaveChanges would not write "
                + "its messages; register it with AddDbContext or AddDbContextPool.");
        outboxes.Attach(context, this);
    }

    public void Dispose() => _outboxes.Detach(_context);
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
