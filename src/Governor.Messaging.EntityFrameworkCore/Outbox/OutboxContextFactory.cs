using MassTransit.Middleware;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Runs a consumer in one transaction of its scope's DbContext, together with what it publishes and sends.</summary>
internal sealed class OutboxContextFactory<TDbContext>(
    TDbContext dbContext, OutboxOptions<TDbContext> options, OutboxWriter<TDbContext> writer, OutboxSignal<TDbContext> signal,
    TimeProvider clock, IServiceProvider provider) : IOutboxContextFactory<TDbContext>
    where TDbContext : DbContext
{
    public async Task Send<T>(ConsumeContext<T> context, OutboxConsumeOptions consumeOptions, IPipe<OutboxConsumeContext<T>> next)
        where T : class
    {
        var outbox = new OutboxConsumeContext<TDbContext, T>(context, consumeOptions, provider, dbContext, writer, clock);
        try
        {
            await using var transaction = await dbContext.Database.BeginTransactionAsync(options.IsolationLevel, context.CancellationToken);
            await next.Send(outbox);
            await transaction.CommitAsync(context.CancellationToken);
        }
        catch
        {
            // A retry may share the scope, if something outside opened it: it must not find the failed attempt's changes.
            dbContext.ChangeTracker.Clear();
            throw;
        }

        if (outbox.HasMessages)
            signal.Raise();
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("entityFrameworkOutbox");
}
