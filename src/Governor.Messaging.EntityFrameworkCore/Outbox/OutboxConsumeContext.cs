using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A received message whose consumer publishes and sends into the outbox.</summary>
/// <remarks>There is no inbox: every delivery of a message is consumed, and its messages leave through the delivery service.</remarks>
internal sealed class OutboxConsumeContext<TDbContext, T>(
    ConsumeContext<T> context, OutboxConsumeOptions options, IServiceProvider provider,
    TDbContext dbContext, OutboxWriter<TDbContext> writer, TimeProvider clock)
    : OutboxConsumeContextProxy<T>(context, options, provider)
    where TDbContext : DbContext
    where T : class
{
    private readonly OutboxBuffer _buffer = new();
    private bool _consumed;

    public override bool ContinueProcessing { get; set; } = true;

    public override bool IsMessageConsumed => _consumed;

    public override bool IsOutboxDelivered => _consumed;

    public override int ReceiveCount => 1;

    public override long? LastSequenceNumber => null;

    /// <summary>Whether anything was written for the delivery service.</summary>
    public bool HasMessages { get; private set; }

    public override Task AddSend<TMessage>(SendContext<TMessage> context)
    {
        _buffer.Add(OutboxMessageCapture.Capture(context, clock));
        return Task.CompletedTask;
    }

    /// <summary>The consumer is through: saves what it left in the DbContext, and writes its messages.</summary>
    public override async Task SetConsumed()
    {
        await dbContext.SaveChangesAsync(CancellationToken);
        var messages = _buffer.Take(close: true);
        HasMessages = messages.Count > 0;
        if (HasMessages)
            await writer.WriteAsync(dbContext, NewId.NextGuid(), isNew: true, messages, CancellationToken);
        _consumed = true;
    }

    public override Task SetDelivered() => Task.CompletedTask;

    public override Task<List<OutboxMessageContext>> LoadOutboxMessages() => Task.FromResult(new List<OutboxMessageContext>());

    public override Task NotifyOutboxMessageDelivered(OutboxMessageContext message) => Task.CompletedTask;

    public override Task RemoveOutboxMessages() => Task.CompletedTask;
}
