using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Governor.IntegrationTests.Credentials;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Governor.IntegrationTests.Fleet;

/// <summary>What the Governor is called on the wire: code may move while messages are in flight.</summary>
public sealed partial class WireNamesTests
{
    private const string RuntimeId = "wire";
    private const string Queue = $"runtime-{RuntimeId}";
    private const string SecretOfBodies = "nobody-logs-this-body";
    private static readonly TimeSpan Patience = RunningDirector.Patience;

    [Fact]
    public async Task Given_a_full_run_with_faulting_and_unreadable_messages_When_the_broker_is_looked_at_Then_no_CLR_name_is_there_and_each_bad_message_was_logged_once()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        using var folder = new AgentFolder(RuntimeId);
        await using var director = await RunningDirector.StartAsync(sandbox);
        await director.Api.RegisterAsync([RuntimeId], ("fleet", RuntimeId));
        await director.Api.WaitUntilProvisionedAsync([RuntimeId]);
        await using var connection = await new ConnectionFactory { Uri = new Uri(sandbox.RabbitMq) }.CreateConnectionAsync(CancellationToken.None);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
        var flowing = await ListenAsync(sandbox, channel);

        await using var agent = folder.StartAgent(sandbox);
        await director.Api.WaitUntilHeardAsync([RuntimeId]);
        await director.Api.RotatedAsync("redis", "one");
        foreach (var url in (string[])["https://logs.example/1", "https://logs.example/2"])
        {
            var content = CredentialApi.Using(Contents.Logging(url, "fleet", RuntimeId), "redis");
            var rolloutId = await director.Api.ChangeAsync("wire", content);
            await director.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        }

        // The credential's second version travels in a message of its own; its first is nobody's then.
        await director.Api.WaitUntilEndedAsync(await director.Api.RotateAsync("redis", "two", new { overlap = "00:00:00" }), "Succeeded");
        await director.Api.WaitUntilHeldAsync("redis", $"{RuntimeId}@2");
        using (var scan = await director.Api.SendAsync(HttpMethod.Post, "/admin/drift/scan", body: null))
            Assert.True(scan.IsSuccessStatusCode);

        string[] bad =
        [
            await SendAsync(channel, "governor-reports", $"{{ {SecretOfBodies}"),
            await SendAsync(channel, "governor-rotate-credential", $"{{ {SecretOfBodies}"),
            await SendAsync(channel, Queue, $"{{ {SecretOfBodies}"),
            await SendAsync(channel, "governor-provisioning", Envelope("deprovision-runtime", new { runtimeId = "Not_An_Id", note = SecretOfBodies })),
            await SendAsync(channel, Queue, Envelope(
                "report-requested", new { runtimeId = "another", epoch = 1, enrol = false, note = SecretOfBodies })),
        ];
        foreach (var messageId in bad)
            await director.Process.WaitForLineAsync(line => IsDeadLetter(line, messageId), Patience);
        await DeregisterAsync(director.Api);

        // The whole run is over: what was bad was given up once, and what follows it went on.
        var output = director.Process.Output;
        Assert.All(bad, messageId => Assert.Single(output.Split('\n'), line => IsDeadLetter(line, messageId)));
        Assert.Equal(bad.Length, output.Split('\n').Count(line => line.Contains("Dead letter", StringComparison.Ordinal)));
        Assert.DoesNotContain(SecretOfBodies, output, StringComparison.Ordinal);

        var exchanges = await sandbox.Management.ExchangesAsync(sandbox.Name);
        var queues = (await sandbox.Management.QueuesAsync(sandbox.Name)).Except([flowing.Queue]).ToList();
        Assert.All(exchanges, name => Assert.Matches(NameOnTheBroker(), name));
        Assert.All(queues, name => Assert.Matches(NameOnTheBroker(), name));
        Assert.All(exchanges.Concat(queues), AssertNoResidue);
        Assert.Contains("governor.configuration-updated", exchanges);
        Assert.Contains("governor-rollouts", queues);
        Assert.Contains("governor-rotate-credential", queues);

        string[] expected =
        [
            "agent-enrolled", "configuration-updated", "credential-rotated", "credential-version-current", "credential-version-revocable",
            "dead-lettered", "deprovision-runtime", "dispatch-next", "report-requested",
            "rollout-completed", "rollout-planned", "rollout-started", "runtime-reported", "targets-progressed", "wave-completed",
        ];
        IEnumerable<string> Missing() => expected.Select(name => $"urn:message:governor:{name}").Except(flowing.Urns.Keys);
        await Eventually.TrueAsync(() => Task.FromResult(!Missing().Any()), Patience, () => $"these flow too: {string.Join(", ", Missing())}");
        Assert.All(flowing.Urns.Keys, urn => Assert.Matches(UrnOfAMessage(), urn));
    }

    private static void AssertNoResidue(string name)
    {
        Assert.DoesNotContain("Governor.", name, StringComparison.Ordinal);
        Assert.DoesNotContain("MassTransit", name, StringComparison.OrdinalIgnoreCase);
        Assert.False(name.EndsWith("_error", StringComparison.Ordinal) || name.EndsWith("_skipped", StringComparison.Ordinal), name);
    }

    /// <summary>Binds a queue of the test's own to every exchange, and collects the types of what flows.</summary>
    private static async Task<(string Queue, ConcurrentDictionary<string, bool> Urns)> ListenAsync(Sandbox sandbox, IChannel channel)
    {
        var urns = new ConcurrentDictionary<string, bool>(StringComparer.Ordinal);
        var queue = (await channel.QueueDeclareAsync(cancellationToken: CancellationToken.None)).QueueName;
        foreach (var exchange in await sandbox.Management.ExchangesAsync(sandbox.Name))
            await channel.QueueBindAsync(queue, exchange, routingKey: RuntimeId, cancellationToken: CancellationToken.None);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            using var envelope = JsonDocument.Parse(delivery.Body);
            foreach (var urn in envelope.RootElement.GetProperty("messageType").EnumerateArray())
                urns[urn.GetString()!] = true;
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer, CancellationToken.None);
        return (queue, urns);
    }

    /// <summary>Puts a message straight into a queue, and returns its id.</summary>
    private static async Task<string> SendAsync(IChannel channel, string queue, string body)
    {
        var messageId = Guid.NewGuid().ToString();
        var properties = new BasicProperties
        {
            MessageId = messageId, ContentType = "application/vnd.masstransit+json", DeliveryMode = DeliveryModes.Persistent,
        };
        await channel.BasicPublishAsync(
            exchange: "", queue, mandatory: true, properties,
            Encoding.UTF8.GetBytes(body.Replace("{messageId}", messageId, StringComparison.Ordinal)), CancellationToken.None);
        return messageId;
    }

    private static string Envelope(string name, object message) => JsonSerializer.Serialize(
        new { messageId = "{messageId}", messageType = new[] { $"urn:message:governor:{name}" }, message });

    private static bool IsDeadLetter(string line, string messageId) => line.Contains(
        string.Create(CultureInfo.InvariantCulture, $"message {messageId} "), StringComparison.Ordinal);

    private static async Task DeregisterAsync(DirectorApi api)
    {
        using var response = await api.SendAsync(HttpMethod.Delete, $"/api/v1/runtimes/{RuntimeId}", body: null);
        Assert.True(response.IsSuccessStatusCode);
        await Eventually.TrueAsync(
            async () =>
            {
                using var gone = await api.SendAsync(HttpMethod.Get, $"/api/v1/runtimes/{RuntimeId}", body: null);
                return gone.StatusCode == System.Net.HttpStatusCode.NotFound;
            },
            Patience, "the runtime is deregistered");
    }

    [GeneratedRegex(@"\A(governor[.-][a-z]+(-[a-z]+)*|runtime-[a-z0-9-]+)\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NameOnTheBroker();

    [GeneratedRegex(@"\Aurn:message:governor:[a-z]+(-[a-z]+)*\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex UrnOfAMessage();
}
