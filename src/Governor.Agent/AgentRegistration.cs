using Governor.Agent.DaprFolder;
using Governor.Agent.Keys;
using Governor.Agent.Runtime;
using Governor.Contracts;
using Governor.Messaging;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Governor.Agent;

/// <summary>Puts Agents on the bus.</summary>
public static class AgentRegistration
{
    /// <summary>Adds one Agent for each of the settings: its queue, its loop, its applier.</summary>
    /// <param name="bus">The bus of the process.</param>
    /// <param name="agents">The Agents; each serves a runtime and a folder of its own.</param>
    /// <exception cref="AgentSettingsException">A setting is wrong. The same when the host starts, if an Agent's keys
    /// cannot be read or made.</exception>
    public static void AddAgents(this GovernorBusBuilder bus, IReadOnlyList<AgentOptions> agents)
    {
        ArgumentNullException.ThrowIfNull(bus);
        ArgumentNullException.ThrowIfNull(agents);
        AgentSettings.Check(agents);

        bus.Services.AddSingleton(services => new AgentFleet([.. agents.Select(options => Make(options, services))], services));
        bus.Services.AddHostedService(services => services.GetRequiredService<AgentFleet>());
        bus.Endpoints((context, configurator) =>
        {
            foreach (var agent in context.GetRequiredService<AgentFleet>().Agents)
                configurator.RuntimeEndpoint(context, agent.RuntimeId, endpoint => Connect(agent, endpoint, bus.IsInMemory));
        });
        if (bus.IsInMemory)
            bus.Services.AddBusObserver(services => new StartObserver(services.GetRequiredService<AgentFleet>()));
    }

    private static RuntimeAgent Make(AgentOptions options, IServiceProvider services)
    {
        var clock = services.GetRequiredService<TimeProvider>();
        var loggers = services.GetRequiredService<ILoggerFactory>();
        return new RuntimeAgent(
            options,
            AgentKey.LoadOrCreate(options.StatePath),
            new DaprFolderApplier(options, MacKey.LoadOrCreate(options.StatePath), clock, loggers.CreateLogger<DaprFolderApplier>()),
            new BusOutbound(services),
            clock,
            Random.Shared.NextDouble,
            loggers.CreateLogger<RuntimeAgent>());
    }

    private static void Connect(RuntimeAgent agent, IReceiveEndpointConfigurator endpoint, bool inMemory)
    {
        // All that the queue may hold is in the loop's hands at once, so that only the newest is applied.
        endpoint.PrefetchCount = RuntimeQueue.MaxLength;
        endpoint.ConcurrentMessageLimit = RuntimeQueue.MaxLength;
        if (!inMemory)
            endpoint.ConnectReceiveEndpointObserver(new ConnectionObserver(agent));
        endpoint.UseFilter(new GiveBackFilter());
        endpoint.Instance(new RuntimeMessagesConsumer(agent));
    }

    /// <summary>The bus is made with the Agents in hand, so they can ask for it only afterwards.</summary>
    private sealed class BusOutbound(IServiceProvider services) : IAgentOutbound
    {
        public Task PublishAsync(RuntimeReported report, CancellationToken cancellationToken) =>
            services.GetRequiredService<IBus>().Publish(report, cancellationToken);

        public Task PublishAsync(AgentEnrolled enrolment, CancellationToken cancellationToken) =>
            services.GetRequiredService<IBus>().Publish(enrolment, cancellationToken);
    }

    private sealed class ConnectionObserver(RuntimeAgent agent) : IReceiveEndpointObserver
    {
        public Task Ready(ReceiveEndpointReady ready)
        {
            agent.Connected();
            return Task.CompletedTask;
        }

        public Task Stopping(ReceiveEndpointStopping stopping) => Task.CompletedTask;

        public Task Completed(ReceiveEndpointCompleted completed) => Task.CompletedTask;

        public Task Faulted(ReceiveEndpointFaulted faulted) => Task.CompletedTask;
    }

    /// <summary>In memory an exchange forgets what is published before its queues are bound, and no connection is ever
    /// lost: the Agents speak once, when every endpoint of the process is ready.</summary>
    private sealed class StartObserver(AgentFleet fleet) : IBusObserver
    {
        public Task PostStart(IBus bus, Task<BusReady> busReady)
        {
            _ = busReady.ContinueWith(_ => fleet.Connected(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
            return Task.CompletedTask;
        }

        public void PostCreate(IBus bus)
        {
        }

        public void CreateFaulted(Exception exception)
        {
        }

        public Task PreStart(IBus bus) => Task.CompletedTask;

        public Task StartFaulted(IBus bus, Exception exception) => Task.CompletedTask;

        public Task PreStop(IBus bus) => Task.CompletedTask;

        public Task PostStop(IBus bus) => Task.CompletedTask;

        public Task StopFaulted(IBus bus, Exception exception) => Task.CompletedTask;
    }
}
