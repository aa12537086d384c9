using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Governor.Messaging;

/// <summary>Collects what a process wants of its bus. Every method may be called more than once; calls add up.</summary>
public sealed class GovernorBusBuilder
{
    private readonly List<Action<IBusRegistrationConfigurator>> _registrations = [];
    private readonly List<Action<IBusRegistrationContext, IBusFactoryConfigurator>> _endpoints = [];
    private bool _ownsTopology;
    private bool _usesTestHarness;

    internal GovernorBusBuilder(IServiceCollection services, IConfiguration configuration, bool isInMemory) =>
        (Services, Configuration, IsInMemory) = (services, configuration, isInMemory);

    /// <summary>The services of the process.</summary>
    public IServiceCollection Services { get; }

    /// <summary>The configuration of the process.</summary>
    public IConfiguration Configuration { get; }

    /// <summary>Whether the bus runs in memory: one process, forgotten on exit.</summary>
    public bool IsInMemory { get; }

    /// <summary>Makes this process, the Director, declare the exchanges at its start, and registers
    /// <see cref="IRuntimeProvisioner"/>, <see cref="IQueueReturn"/> and <see cref="PlainAnswers"/>. Without it (an Agent)
    /// publishing declares nothing, and the process needs no right
    /// on the broker beyond its own queue and the exchanges that it writes to.</summary>
    public void OwnTopology()
    {
        _ownsTopology = true;
        if (IsInMemory)
        {
            Services.TryAddSingleton<IRuntimeProvisioner, InMemoryRuntimeProvisioner>();
            Services.TryAddSingleton<IQueueReturn, InMemoryQueueReturn>();
            Services.TryAddSingleton(new PlainAnswers(side: null));
            return;
        }

        Services.TryAddSingleton<SideConnection>();
        Services.TryAddSingleton<IRuntimeProvisioner, RabbitMqRuntimeProvisioner>();
        Services.TryAddSingleton<IQueueReturn, RabbitMqQueueReturn>();
        Services.TryAddSingleton(services => new PlainAnswers(services.GetRequiredService<SideConnection>()));
    }

    /// <summary>Runs the bus under MassTransit's test harness: for tests, which then resolve <c>ITestHarness</c>. (Added
    /// after the bus, the harness would replace it, endpoints and all.)</summary>
    public void UseTestHarness() => _usesTestHarness = true;

    /// <summary>Registers consumers, sagas and outbox with MassTransit.</summary>
    /// <param name="configure">Runs once, while the services are built.</param>
    public void Register(Action<IBusRegistrationConfigurator> configure) => _registrations.Add(configure);

    /// <summary>Configures receive endpoints, by <see cref="ReceiveEndpoints.DirectorEndpoint"/> and
    /// <see cref="ReceiveEndpoints.RuntimeEndpoint"/>.</summary>
    /// <param name="configure">Runs once, when the bus is made.</param>
    public void Endpoints(Action<IBusRegistrationContext, IBusFactoryConfigurator> configure) => _endpoints.Add(configure);

    internal void AddMassTransit()
    {
        if (_usesTestHarness)
            Services.AddMassTransitTestHarness(Configure);
        else
            Services.AddMassTransit(Configure);
    }

    private void Configure(IBusRegistrationConfigurator mass)
    {
        mass.DisableUsageTelemetry(); // MassTransit would tell its makers how it is used
        foreach (var register in _registrations)
            register(mass);

        if (IsInMemory)
        {
            mass.UsingInMemory((context, bus) =>
            {
                Topology.Apply(bus);
                ConfigureEndpoints(context, bus);
            });
            return;
        }

        mass.UsingRabbitMq((context, bus) =>
        {
            var options = context.RabbitMqOptions();
            options.Address.Configure(bus);
            Topology.Apply(bus, _ownsTopology, options.QueueType);
            ConfigureEndpoints(context, bus);
        });
    }

    private void ConfigureEndpoints(IBusRegistrationContext context, IBusFactoryConfigurator bus)
    {
        MessageJson.Apply(bus);
        foreach (var configure in _endpoints)
            configure(context, bus);
    }
}
