using Governor.Agent.Runtime;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Governor.Agent;

/// <summary>The Agents of this process. Their loops run before the bus delivers, and until it has let go of every message.</summary>
internal sealed class AgentFleet(IReadOnlyList<RuntimeAgent> agents, IServiceProvider services) : IHostedLifecycleService
{
    internal IReadOnlyList<RuntimeAgent> Agents => agents;

    /// <summary>Tells every Agent that its endpoint is connected.</summary>
    internal void Connected()
    {
        foreach (var agent in agents)
            agent.Connected();
    }

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        // Asked for here, because the bus is made with the Agents in hand.
        var broker = services.GetRequiredService<IBus>().Address.GetLeftPart(UriPartial.Authority);
        foreach (var agent in agents)
            agent.Start(broker);
        return Task.CompletedTask;
    }

    public Task StoppedAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(agents.Select(agent => agent.DisposeAsync().AsTask()));

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
