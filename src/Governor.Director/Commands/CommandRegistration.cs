using Governor.Director.Configurations;
using Governor.Director.Credentials;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using Governor.Messaging;
using MassTransit;

namespace Governor.Director.Commands;

/// <summary>Registers commands: what carries them out once, and a queue for each kind.</summary>
internal static class CommandRegistration
{
    private const int Prefetch = 32;
    private const int AtOnce = 8;

    private static readonly IReadOnlyList<Kind> Kinds =
    [
        new Kind<RegisterRuntimeCommand>(), new Kind<DeregisterRuntimeCommand>(), new Kind<UpdateConfigurationCommand>(),
        new Kind<DeleteConfigurationCommand>(), new Kind<RotateCredentialCommand>(),
        new Kind<AbortRolloutCommand>(), new Kind<RollBackRolloutCommand>(),
    ];

    /// <summary>Adds the services.</summary>
    public static void AddCommands(this IServiceCollection services)
    {
        services.AddScoped<CommandLog>();
        services.AddScoped<IdempotentRequests>();
        services.AddHostedService<CommandRetention>();
        foreach (var kind in Kinds)
            kind.AddTo(services);
    }

    /// <summary>Adds the consumers.</summary>
    public static void AddCommands(this IBusRegistrationConfigurator bus)
    {
        foreach (var kind in Kinds)
            kind.AddTo(bus);
    }

    /// <summary>Adds the queues.</summary>
    public static void CommandEndpoints(this IBusFactoryConfigurator bus, IBusRegistrationContext context)
    {
        foreach (var kind in Kinds)
            kind.AddTo(bus, context);
    }

    private abstract class Kind
    {
        public abstract void AddTo(IServiceCollection services);

        public abstract void AddTo(IBusRegistrationConfigurator bus);

        public abstract void AddTo(IBusFactoryConfigurator bus, IBusRegistrationContext context);
    }

    private sealed class Kind<T> : Kind
        where T : class, ICommand
    {
        public override void AddTo(IServiceCollection services) => services.AddScoped<T>();

        public override void AddTo(IBusRegistrationConfigurator bus) => bus.AddConsumer<CommandConsumer<T>>();

        public override void AddTo(IBusFactoryConfigurator bus, IBusRegistrationContext context) =>
            bus.CommandEndpoint(context, T.Queue, endpoint =>
            {
                endpoint.PrefetchCount = Prefetch;
                endpoint.ConcurrentMessageLimit = AtOnce;
                endpoint.ConfigureConsumer<CommandConsumer<T>>(context);
            });
    }
}
