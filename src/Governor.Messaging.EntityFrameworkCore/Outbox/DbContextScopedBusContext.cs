using MassTransit.DependencyInjection;
using MassTransit.Middleware;
using MassTransit.Middleware.Outbox;
using MassTransit.Transports;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A bus as a scope outside a consumer sees it: what is published or sent waits for the scope's SaveChanges.</summary>
internal sealed class DbContextScopedBusContext<TBus, TDbContext> : ScopedBusContext, OutboxSendContext
    where TBus : class, IBus
    where TDbContext : DbContext
{
    private readonly IServiceProvider _provider;
    private readonly DbContextOutbox<TDbContext> _outbox;
    private readonly TimeProvider _clock;

    public DbContextScopedBusContext(TBus bus, Bind<TBus, IClientFactory> clientFactory, DbContextOutbox<TDbContext> outbox,
        TimeProvider clock, IServiceProvider provider)
    {
        (_provider, _outbox, _clock) = (provider, outbox, clock);
        SendEndpointProvider = new ScopedSendEndpointProvider(new OutboxSendEndpointProvider(this, bus), provider);
        PublishEndpoint = new PublishEndpoint(new ScopedPublishEndpointProvider(new OutboxPublishEndpointProvider(this, bus), provider));
        // Requests wait for their answer, before any SaveChanges: they go straight to the bus.
        ClientFactory = new BusScopedBusContext<TBus>(bus, clientFactory.Value, provider).ClientFactory;
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
}

/// <summary>Gives a scope its bus: the consumer's own context inside a consumer, the outbox elsewhere.</summary>
internal sealed class OutboxScopedBusContextProvider<TBus, TDbContext>(
    TBus bus, Bind<TBus, IClientFactory> clientFactory, Bind<TBus, IScopedConsumeContextProvider> busConsumeContext,
    IScopedConsumeContextProvider globalConsumeContext, IServiceProvider provider) : IScopedBusContextProvider<TBus>
    where TBus : class, IBus
    where TDbContext : DbContext
{
    public ScopedBusContext Context =>
        busConsumeContext.Value.HasContext ? new ConsumeContextScopedBusContext(busConsumeContext.Value.GetContext(), clientFactory.Value)
        : globalConsumeContext.HasContext ? new ConsumeContextScopedBusContext<TBus>(bus, globalConsumeContext.GetContext(), clientFactory.Value, provider)
        : provider.GetRequiredService<DbContextScopedBusContext<TBus, TDbContext>>();
}
