using System.Collections.Frozen;
using System.Reflection;
using System.Text.Json.Nodes;
using Governor.Contracts;
using MassTransit;
using InMemoryExchangeType = MassTransit.Transports.Fabric.ExchangeType;
using RabbitMqExchangeType = RabbitMQ.Client.ExchangeType;

namespace Governor.Messaging;

/// <summary>Names and kinds of what the Governor has on the broker. What goes to Agents goes through one direct exchange per
/// message, with the runtime's id as routing key; everything else through a fanout exchange named by its record's
/// <c>[EntityName]</c>.</summary>
public static class Topology
{
    /// <summary>Exchange and queue that get what was published for a runtime without a queue. RabbitMQ only: the in-memory
    /// transport drops such a message.</summary>
    public const string Undeliverable = "governor-undeliverable";

    /// <summary>Exchange of <see cref="DeadLettered"/>.</summary>
    public const string DeadLetterExchange = "governor-dead-letter";

    /// <summary>Exchange that nothing is bound to: a broker without it was wiped.</summary>
    internal const string Marker = "governor-provisioned";

    internal const string AlternateExchange = "alternate-exchange";

    /// <summary>Queues whose unreadable messages may hold a secret in clear: of them neither body nor reason is kept.</summary>
    internal static readonly FrozenSet<string> SecretQueues = new[] { "governor-rotate-credential" }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>The exchanges from the Director to Agents.</summary>
    internal static readonly IReadOnlyList<string> RuntimeExchanges =
        [EntityNameOf(typeof(ConfigurationUpdated)), EntityNameOf(typeof(CredentialRotated)), EntityNameOf(typeof(ReportRequested))];

    /// <summary>Arguments of <see cref="RuntimeExchanges"/>.</summary>
    internal static IDictionary<string, object?> RuntimeExchangeArguments =>
        new Dictionary<string, object?>(StringComparer.Ordinal) { [AlternateExchange] = Undeliverable };

    /// <summary>The message records of the contracts: those with a name on the wire.</summary>
    private static IEnumerable<Type> Messages =>
        typeof(ConfigurationUpdated).Assembly.GetExportedTypes().Where(t => t.IsDefined(typeof(EntityNameAttribute), inherit: false));

    internal static void Apply(IRabbitMqBusFactoryConfigurator bus, bool owned, QueueType queueType)
    {
        if (!owned)
        {
            foreach (var message in Messages)
                bus.Publish(message, publish => publish.Exclude = true);
            return;
        }

        bus.DeployPublishTopology = true;
        bus.Publish<JsonObject>(publish => publish.Exclude = true); // commands are consumed as such, and published as records
        Route<ConfigurationUpdated>(message => message.RuntimeId);
        Route<CredentialRotated>(message => message.RuntimeId);
        Route<ReportRequested>(message => message.RuntimeId);

        // A publisher that starts before any consumer finds its exchange all the same: an Agent may declare none.
        foreach (var message in Messages)
            bus.Publish(message);

        void Route<T>(Func<T, string> runtimeId)
            where T : class
        {
            bus.Send<T>(send => send.UseRoutingKeyFormatter(context => runtimeId(context.Message)));
            bus.Publish<T>(publish =>
            {
                publish.ExchangeType = RabbitMqExchangeType.Direct;
                publish.BindAlternateExchangeQueue(Undeliverable, Undeliverable, queue => queueType.AddTo(queue.SetQueueArgument));
            });
        }
    }

    internal static void Apply(IInMemoryBusFactoryConfigurator bus)
    {
        Route<ConfigurationUpdated>(message => message.RuntimeId);
        Route<CredentialRotated>(message => message.RuntimeId);
        Route<ReportRequested>(message => message.RuntimeId);

        void Route<T>(Func<T, string> runtimeId)
            where T : class
        {
            bus.Send<T>(send => send.UseRoutingKeyFormatter(context => runtimeId(context.Message)));
            bus.Publish<T>(publish => publish.ExchangeType = InMemoryExchangeType.Direct);
        }
    }

    private static string EntityNameOf(Type message) => message.GetCustomAttribute<EntityNameAttribute>()!.EntityName;
}
