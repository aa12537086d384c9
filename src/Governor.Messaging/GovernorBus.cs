using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Governor.Messaging;

/// <summary>The one registration of the bus, for Director and Agent, on RabbitMQ or in memory.</summary>
public static class GovernorBus
{
    /// <summary>Configuration key that names the transport: <c>RabbitMq</c> (default) or <c>InMemory</c>.</summary>
    public const string TransportKey = "Bus:Transport";

    /// <summary>Adds MassTransit with the Governor's conventions. Call it once per process: what shares the in-memory
    /// transport must share the bus.</summary>
    /// <param name="services">The services of the process.</param>
    /// <param name="configuration">Where <c>Bus:Transport</c>, <c>ConnectionStrings:RabbitMq</c> and
    /// <c>RabbitMq:QueueType</c> come from.</param>
    /// <param name="build">Adds consumers, sagas and endpoints.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="OptionsValidationException"><c>Bus:Transport</c> is neither of its values. A missing or malformed
    /// broker address, or a bad queue type, is the same exception when the host starts.</exception>
    public static IServiceCollection AddGovernorBus(
        this IServiceCollection services, IConfiguration configuration, Action<GovernorBusBuilder> build)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(build);

        var bus = new GovernorBusBuilder(services, configuration, IsInMemory(configuration));
        build(bus);

        services.TryAddSingleton(TimeProvider.System);
        RabbitMqOptions.Add(services, configuration, required: !bus.IsInMemory);
        services.AddOptions<MassTransitHostOptions>().Configure(options =>
        {
            // The process starts while the broker is down, and connects when it is back: so no limit on the start either.
            options.WaitUntilStarted = false;
            options.StartTimeout = null;
            // SIGTERM drains within 10 s, and what stops after the bus needs some of them.
            options.StopTimeout = TimeSpan.FromSeconds(8);
        });
        bus.AddMassTransit();
        return services;
    }

    private static bool IsInMemory(IConfiguration configuration) => configuration[TransportKey] switch
    {
        null or "" => false,
        var name when name.Equals("RabbitMq", StringComparison.OrdinalIgnoreCase) => false,
        var name when name.Equals("InMemory", StringComparison.OrdinalIgnoreCase) => true,
        var name => throw new OptionsValidationException(TransportKey, typeof(GovernorBus),
            [$"Bus__Transport is '{name}'; set it to RabbitMq (the default) or InMemory."]),
    };
}
