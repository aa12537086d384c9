using System.Collections.Concurrent;
using System.Text.Json;
using Governor.Contracts;
using RabbitMQ.Client;

namespace Governor.IntegrationTests;

/// <summary>The share of a <see cref="SimulatedFleet"/> that one channel serves.</summary>
internal sealed class SimulatedChannel : AsyncDefaultBasicConsumer
{
    private const ushort PrefetchOfAQueue = 16; // a runtime's queue holds no more

    private readonly Dictionary<string, SimulatedAgent> agents;
    private readonly ConcurrentDictionary<string, SimulatedAgent> byConsumer = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<Exception> failures = new();
    private long reportCount;

    private SimulatedChannel(IChannel channel, IEnumerable<SimulatedAgent> agents)
        : base(channel) => this.agents = agents.ToDictionary(agent => agent.RuntimeId, StringComparer.Ordinal);

    /// <summary>Reports published until now.</summary>
    public long ReportCount => Interlocked.Read(ref reportCount);

    /// <summary>What went wrong while a message was handled.</summary>
    public IEnumerable<Exception> Failures => failures;

    public static async Task<SimulatedChannel> OpenAsync(IConnection connection, IEnumerable<SimulatedAgent> agents)
    {
        var channel = await connection.CreateChannelAsync(
            new CreateChannelOptions(publisherConfirmationsEnabled: false, publisherConfirmationTrackingEnabled: false),
            CancellationToken.None);
        await channel.BasicQosAsync(0, PrefetchOfAQueue, global: false, CancellationToken.None);
        return new SimulatedChannel(channel, agents);
    }

    public bool Serves(string runtimeId) => agents.ContainsKey(runtimeId);

    /// <summary>Consumes every queue, then makes every Agent known.</summary>
    public async Task StartAsync()
    {
        foreach (var agent in agents.Values)
        {
            var tag = $"simulated-{agent.RuntimeId}";
            byConsumer[tag] = agent; // before the first delivery
            await Channel.BasicConsumeAsync(
                $"runtime-{agent.RuntimeId}", autoAck: false, tag, noLocal: false, exclusive: false, arguments: null, this, CancellationToken.None);
        }

        foreach (var agent in agents.Values.Where(agent => !agent.Silent))
            await PublishAsync("governor.agent-enrolled", "urn:message:governor:agent-enrolled", agent.Enrol(start: true));
    }

    /// <summary>Publishes an Agent's next report.</summary>
    public async Task ReportAsync(SimulatedAgent agent)
    {
        await PublishAsync(
            "governor.runtime-reported", "urn:message:governor:runtime-reported", agent.Report(TimeProvider.System.GetUtcNow()));
        Interlocked.Increment(ref reportCount);
    }

    /// <inheritdoc/>
    public override async Task HandleBasicDeliverAsync(
        string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey,
        IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        try
        {
            var agent = byConsumer[consumerTag];
            var enrolAgain = Handle(agent, body);
            if (!agent.Silent)
            {
                if (enrolAgain)
                    await PublishAsync("governor.agent-enrolled", "urn:message:governor:agent-enrolled", agent.Enrol(start: false));
                await ReportAsync(agent);
            }

            await Channel.BasicAckAsync(deliveryTag, multiple: false, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            failures.Enqueue(e);
        }
    }

    private static bool Handle(SimulatedAgent agent, ReadOnlyMemory<byte> body)
    {
        using var envelope = JsonDocument.Parse(body);
        var message = envelope.RootElement.GetProperty("message");
        switch (envelope.RootElement.GetProperty("messageType")[0].GetString())
        {
            case "urn:message:governor:configuration-updated":
                var updated = Read<ConfigurationUpdated>(message);
                agent.Handle(updated.Generation, updated.Desired);
                return false;
            case "urn:message:governor:credential-rotated":
                var rotated = Read<CredentialRotated>(message);
                agent.Handle(rotated.Generation, rotated.Desired);
                return false;
            case "urn:message:governor:report-requested":
                var requested = Read<ReportRequested>(message);
                agent.Handle(requested);
                return requested.Enrol;
            case var other:
                throw new InvalidOperationException($"An Agent got a message that is not for Agents: {other}");
        }
    }

    private static T Read<T>(JsonElement message) => message.Deserialize<T>(JsonSerializerOptions.Web)!;

    private ValueTask PublishAsync<T>(string exchange, string urn, T message)
        where T : class
    {
        var messageId = Guid.NewGuid();
        var envelope = new
        {
            messageId,
            messageType = new[] { urn },
            message,
            sentTime = TimeProvider.System.GetUtcNow(),
        };
        var properties = new BasicProperties
        {
            MessageId = messageId.ToString(),
            ContentType = "application/vnd.masstransit+json",
            DeliveryMode = DeliveryModes.Persistent,
        };
        return Channel.BasicPublishAsync(
            exchange, routingKey: "", mandatory: false, properties,
            JsonSerializer.SerializeToUtf8Bytes(envelope, JsonSerializerOptions.Web), CancellationToken.None);
    }
}
