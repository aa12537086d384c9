using Governor.Contracts;
using MassTransit;
using MassTransit.Transports.Fabric;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Governor.Messaging;

/// <summary>The two kinds of receive endpoint. On both a fault or an unreadable message becomes one
/// <see cref="DeadLettered"/>, and no <c>_error</c>, <c>_skipped</c> or <c>Fault</c> exists. Prefetch and concurrency are
/// the caller's.</summary>
public static class ReceiveEndpoints
{
    private const int RetryLimit = 5;
    private static readonly TimeSpan RetryMinimum = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan RetryMaximum = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RetryStep = TimeSpan.FromMilliseconds(100);

    /// <summary>Adds a queue of the Director, durable, bound to the exchanges of its consumers' messages. A fault is tried
    /// again up to five times within about five seconds, then it is a dead letter. While the database or the broker is away
    /// the message waits instead.</summary>
    /// <param name="bus">The bus.</param>
    /// <param name="context">The registrations of the process.</param>
    /// <param name="queue">Name of the queue; all replicas of the Director share it. <see cref="Topology.Undeliverable"/>
    /// binds no message's exchange, since the alternate exchange feeds it.</param>
    /// <param name="configure">Adds the consumers. Runs after the retry is set: an outbox filter added here is inside it.</param>
    public static void DirectorEndpoint(
        this IBusFactoryConfigurator bus, IBusRegistrationContext context, string queue, Action<IReceiveEndpointConfigurator> configure)
    {
        ArgumentNullException.ThrowIfNull(bus);
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(configure);

        bus.ReceiveEndpoint(queue, endpoint =>
        {
            if (endpoint is IRabbitMqReceiveEndpointConfigurator rabbit)
                context.RabbitMqOptions().QueueType.AddTo(rabbit.SetQueueArgument);
            if (queue == Topology.Undeliverable)
                endpoint.ConfigureConsumeTopology = false;

            UseDeadLetters(endpoint, context, queue);
            endpoint.UseFilter(OutageFilterOf(context, queue));
            endpoint.UseMessageRetry(retry =>
            {
                retry.Exponential(RetryLimit, RetryMinimum, RetryMaximum, RetryStep);
                retry.Ignore<Exception>(Outage.Is); // waits for as long as it takes, further out
            });
            configure(endpoint);
        });
    }

    /// <summary>Adds a queue of the Director for one kind of command: what comes is a MassTransit envelope, or plain JSON with
    /// <c>content-type: application/json</c> from any AMQP client. The exchange of that kind has the name of the queue.</summary>
    /// <param name="bus">The bus.</param>
    /// <param name="context">The registrations of the process.</param>
    /// <param name="queue">Name of queue and exchange.</param>
    /// <param name="configure">Adds the consumer, of <see cref="System.Text.Json.Nodes.JsonObject"/>.</param>
    public static void CommandEndpoint(
        this IBusFactoryConfigurator bus, IBusRegistrationContext context, string queue, Action<IReceiveEndpointConfigurator> configure) =>
        bus.DirectorEndpoint(context, queue, endpoint =>
        {
            endpoint.ConfigureConsumeTopology = false; // the queue's own exchange is the one that commands are published to
            endpoint.UseRawJsonDeserializer(RawSerializerOptions.AnyMessageType, isDefault: false);
            configure(endpoint);
        });

    /// <summary>Adds the queue of one runtime, with the arguments of <see cref="RuntimeQueue"/>. On RabbitMQ it binds
    /// nothing, because the Director does; in memory it binds what goes to Agents by the runtime's id.</summary>
    /// <remarks>Of several consumers of the queue one is active. A fault is a dead letter at once: an Agent retries inside
    /// its consumer, and reports.</remarks>
    /// <param name="bus">The bus.</param>
    /// <param name="context">The registrations of the process.</param>
    /// <param name="runtimeId">The runtime.</param>
    /// <param name="configure">Adds the consumers.</param>
    /// <exception cref="ArgumentException">The id is no runtime id.</exception>
    public static void RuntimeEndpoint(
        this IBusFactoryConfigurator bus, IBusRegistrationContext context, string runtimeId, Action<IReceiveEndpointConfigurator> configure)
    {
        ArgumentNullException.ThrowIfNull(bus);
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(configure);

        var queue = RuntimeQueue.NameOf(runtimeId);
        bus.ReceiveEndpoint(queue, endpoint =>
        {
            endpoint.ConfigureConsumeTopology = false;
            switch (endpoint)
            {
                case IRabbitMqReceiveEndpointConfigurator rabbit:
                    rabbit.SingleActiveConsumer = true;
                    foreach (var (name, value) in RuntimeQueue.LimitsFor(context.RabbitMqOptions().QueueType))
                        rabbit.SetQueueArgument(name, value);
                    break;
                case IInMemoryReceiveEndpointConfigurator memory:
                    memory.Bind<ConfigurationUpdated>(ExchangeType.Direct, runtimeId);
                    memory.Bind<CredentialRotated>(ExchangeType.Direct, runtimeId);
                    memory.Bind<ReportRequested>(ExchangeType.Direct, runtimeId);
                    break;
            }

            UseDeadLetters(endpoint, context, queue);
            configure(endpoint);
        });
    }

    private static OutageFilter OutageFilterOf(IServiceProvider services, string queue) => new(
        queue,
        services.GetRequiredService<TimeProvider>(),
        services.GetRequiredService<ILogger<OutageFilter>>(),
        services.GetService<IHostApplicationLifetime>()?.ApplicationStopping ?? CancellationToken.None);

    private static void UseDeadLetters(IReceiveEndpointConfigurator endpoint, IServiceProvider services, string queue)
    {
        var filter = new DeadLetterFilter(queue, services.GetRequiredService<TimeProvider>());
        endpoint.PublishFaults = false;
        endpoint.UseFilter(filter);
        endpoint.ConfigureError(pipe => pipe.UseFilter(filter));
        endpoint.ConfigureDeadLetter(pipe => pipe.UseFilter(filter));
    }
}
