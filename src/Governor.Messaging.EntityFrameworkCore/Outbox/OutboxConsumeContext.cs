using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A received message whose consumer publishes and sends into the outbox.</summary>
/// <remarks>A message without an id has no row in the inbox: what its consumer sends leaves through the delivery service.</remarks>
internal sealed class OutboxConsumeContext<TDbContext, T>(
    ConsumeContext<T> context, OutboxConsumeOptions options, IServiceProvider provider,
    TDbContext dbContext, OutboxWriter<TDbContext> writer, TimeProvider clock, InboxEntry? entry)
    : OutboxConsumeContextProxy<T>(context, options, provider), IAttempts
    where TDbContext : DbContext
    where T : class
{
    private const string Savepoint = "outbox_attempt";

    private readonly OutboxBuffer _buffer = new();
    private bool _consumed = entry?.IsConsumed == true;

    public override bool ContinueProcessing { get; set; } = true;

    public override bool IsMessageConsumed => _consumed;

    // The pipe is not to send: that comes after the commit.
    public override bool IsOutboxDelivered => _consumed;

    public override int ReceiveCount => 1;

    public override long? LastSequenceNumber => null;

    /// <summary>The messages to send after the commit.</summary>
    public List<OutboxMessage> ToSend { get; private set; } = [];

    /// <summary>Whether anything was written for the delivery service.</summary>
    public bool HasOutbox { get; private set; }

    /// <summary>When the delayed messages are due, UTC.</summary>
    public List<DateTime> Due { get; } = [];

    public override Task AddSend<TMessage>(SendContext<TMessage> context)
    {
        _buffer.Add(OutboxMessageCapture.Capture(context, clock));
        return Task.CompletedTask;
    }

    public async Task AttemptAsync(Func<Task> attempt)
    {
        var transaction = dbContext.Database.CurrentTransaction ?? throw new InvalidOperationException("The transaction of the outbox is over.");
        var captured = _buffer.Count;
        await transaction.CreateSavepointAsync(Savepoint, CancellationToken);
        try
        {
            await attempt();
        }
        catch
        {
            _buffer.Truncate(captured);
            dbContext.ChangeTracker.Clear();
            await transaction.RollbackToSavepointAsync(Savepoint, CancellationToken.None);
            throw;
        }
    }

    /// <summary>The consumer is through: saves what it left in the DbContext, and writes its messages.</summary>
    public override async Task SetConsumed()
    {
        await SaveChangesAsync();
        var messages = _buffer.Take(close: true);
        if (messages.Count > 0)
        {
            if (entry is not null)
                ToSend = await writer.WriteAsync(dbContext, entry, messages, CancellationToken);
            else
                await writer.WriteAsync(dbContext, NewId.NextGuid(), isNew: true, messages, CancellationToken);
            HasOutbox = ToSend.Count < messages.Count;
            Due.AddRange(OutboxWriter<TDbContext>.Due(messages));
        }

        _consumed = true;
    }

    public override Task SetDelivered() => Task.CompletedTask;

    public override Task<List<OutboxMessageContext>> LoadOutboxMessages() => Task.FromResult(new List<OutboxMessageContext>());

    public override Task NotifyOutboxMessageDelivered(OutboxMessageContext message) => Task.CompletedTask;

    public override Task RemoveOutboxMessages() => Task.CompletedTask;

    // Nobody goes on after this failed, so that no savepoint is needed.
    private async Task SaveChangesAsync()
    {
        var savepoints = dbContext.Database.AutoSavepointsEnabled;
        dbContext.Database.AutoSavepointsEnabled = false;
        try
        {
            await dbContext.SaveChangesAsync(CancellationToken);
        }
        finally
        {
            dbContext.Database.AutoSavepointsEnabled = savepoints;
        }
    }
}
