using MassTransit.DependencyInjection;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using MassTransit.Transports;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The bus as a scope outside a consumer sees it: what is published or sent waits for the scope's SaveChanges.</summary>
internal sealed class DbContextScopedBusContext<TDbContext> : ScopedBusContext, OutboxSendContext, IDisposable
    where TDbContext : DbContext
{
    private readonly TDbContext _context;
    private readonly IServiceProvider _provider;
    private readonly DbContextOutboxes<TDbContext> _outboxes;
    private readonly DbContextOutbox _outbox = new();
    private readonly TimeProvider _clock;

    // The DbContext is resolved before this object exists, hence disposed after it: a pooled instance
    // is detached from this scope's outbox before another scope can get it.
    public DbContextScopedBusContext(IBus bus, TDbContext context, Bind<IBus, IClientFactory> clientFactory,
        DbContextOutboxes<TDbContext> outboxes, OutboxInterceptor<TDbContext> interceptor, TimeProvider clock, IServiceProvider provider)
    {
        (_context, _provider, _outboxes, _clock) = (context, provider, outboxes, clock);
        if (context.GetService<IDbContextOptions>().FindExtension<CoreOptionsExtension>()?.Interceptors?.Contains(interceptor) != true)
            throw new InvalidOperationException($"{typeof(TDbContext).Name} does not know the outbox, so that SaveChanges would not write "
                + "its messages; register it with AddDbContext or AddDbContextPool.");

        outboxes.Attach(context, _outbox);
        SendEndpointProvider = new ScopedSendEndpointProvider(new OutboxSendEndpointProvider(this, bus), provider);
        PublishEndpoint = new PublishEndpoint(new ScopedPublishEndpointProvider(new OutboxPublishEndpointProvider(this, bus), provider));
        // Requests wait for their answer, before any SaveChanges: they go straight to the bus.
        ClientFactory = new BusScopedBusContext<IBus>(bus, clientFactory.Value, provider).ClientFactory;
    }

    public ISendEndpointProvider SendEndpointProvider { get; }

    public IPublishEndpoint PublishEndpoint { get; }

    public IScopedClientFactory ClientFactory { get; }

    public Task AddSend<T>(SendContext<T> context) where T : class
    {
        _outbox.Buffer.Add(OutboxMessageCapture.Capture(context, _clock));
        return Task.CompletedTask;
    }

    public object? GetService(Type serviceType) => _provider.GetService(serviceType);

    public void Dispose() => _outboxes.Detach(_context);
}

/// <summary>Gives a scope its bus: the consumer's own context inside a consumer, the outbox elsewhere.</summary>
internal sealed class OutboxScopedBusContextProvider<TDbContext>(
    IBus bus, Bind<IBus, IClientFactory> clientFactory, Bind<IBus, IScopedConsumeContextProvider> busConsumeContext,
    IScopedConsumeContextProvider globalConsumeContext, IServiceProvider provider) : IScopedBusContextProvider<IBus>
    where TDbContext : DbContext
{
    public ScopedBusContext Context =>
        busConsumeContext.Value.HasContext ? new ConsumeContextScopedBusContext(busConsumeContext.Value.GetContext(), clientFactory.Value)
        : globalConsumeContext.HasContext ? new ConsumeContextScopedBusContext<IBus>(bus, globalConsumeContext.GetContext(), clientFactory.Value, provider)
        : provider.GetRequiredService<DbContextScopedBusContext<TDbContext>>();
}
