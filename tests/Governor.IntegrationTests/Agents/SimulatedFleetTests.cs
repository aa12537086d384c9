using System.Collections.Concurrent;
using System.Text.Json;
using Governor.Contracts;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Governor.IntegrationTests;

/// <summary>The simulated Agents against a Director's side that consists of nothing but exchanges and queues.</summary>
public sealed class SimulatedFleetTests
{
    private const int RuntimeCount = 1200;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Given_a_fleet_When_each_runtime_is_sent_its_state_twice_and_asked_Then_every_report_shows_it()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var connection = await new ConnectionFactory { Uri = new Uri(sandbox.RabbitMq) }
            .CreateConnectionAsync(TestContext.Current.CancellationToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: TestContext.Current.CancellationToken);
        string[] runtimeIds = [.. Enumerable.Range(1, RuntimeCount).Select(n => $"r-{n}")];
        await DeclareAsync(channel, runtimeIds);
        var enrolled = await CollectAsync<AgentEnrolled>(channel, "governor.agent-enrolled");
        var reported = await CollectAsync<RuntimeReported>(channel, "governor.runtime-reported");

        await using var fleet = await SimulatedFleet.StartAsync(sandbox.RabbitMq, runtimeIds, agent =>
        {
            agent.Outcome = _ => agent.RuntimeId == "r-7" ? ApplyOutcome.Rejected : ApplyOutcome.Applied;
            agent.Silent = agent.RuntimeId == "r-8";
        });
        await Eventually.TrueAsync(() => enrolled.Count == RuntimeCount - 1, Deadline, "every Agent enrols, save the silent one");
        Assert.All(enrolled, e => Assert.True(e.Start));

        foreach (var id in runtimeIds)
        {
            await SendAsync(channel, "urn:message:governor:report-requested", id, new ReportRequested(id, 5));
            await SendAsync(channel, "urn:message:governor:configuration-updated", id, Updated(id, 12));
            await SendAsync(channel, "urn:message:governor:configuration-updated", id, Updated(id, 11));
        }

        await Eventually.TrueAsync(() => reported.Count == 3 * (RuntimeCount - 1), Deadline, "three reports of each, save the silent one");
        Assert.Empty(fleet.Failures);
        Assert.Equal(reported.Count, fleet.ReportCount);
        Assert.All(reported, r => Assert.Equal(5, r.Epoch));
        Assert.Equal([0L, 12, 12], reported.Where(r => r.RuntimeId == "r-1").OrderBy(r => r.Number).Select(r => r.Generation));
        var applied = reported.Last(r => r.RuntimeId == "r-1").Configurations;
        Assert.Equal([new ReportedConfiguration("logging", "digest-12", ApplyOutcome.Applied, "digest-12")], applied);
        var rejected = Assert.Single(reported.Last(r => r.RuntimeId == "r-7").Configurations);
        Assert.Equal((null, ApplyOutcome.Rejected, "digest-12"), (rejected.Digest, rejected.Outcome, rejected.OutcomeDigest));

        await Eventually.TrueAsync(
            () => fleet.Agents["r-8"].Received.Count == 2, Deadline, "the silent Agent takes its messages all the same");
        Assert.DoesNotContain(reported, r => r.RuntimeId == "r-8");
        await fleet.ReportAsync("r-8");
        await Eventually.TrueAsync(() => reported.Any(r => r.RuntimeId == "r-8" && r.Generation == 12), Deadline, "it reports when told to");
    }

    private static ConfigurationUpdated Updated(string runtimeId, long generation) => new(
        runtimeId, generation, new DesiredState([new DesiredConfiguration("logging", 1, $"digest-{generation}", [])], []));

    private static async Task DeclareAsync(IChannel channel, string[] runtimeIds)
    {
        foreach (var exchange in (string[])["governor.agent-enrolled", "governor.runtime-reported"])
            await channel.ExchangeDeclareAsync(exchange, ExchangeType.Fanout, durable: true);
        foreach (var id in runtimeIds)
            await channel.QueueDeclareAsync($"runtime-{id}", durable: true, exclusive: false, autoDelete: false, noWait: true);
    }

    private static async Task<ConcurrentQueue<T>> CollectAsync<T>(IChannel channel, string exchange)
    {
        var messages = new ConcurrentQueue<T>();
        var queue = await channel.QueueDeclareAsync();
        await channel.QueueBindAsync(queue.QueueName, exchange, "");
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            using var envelope = JsonDocument.Parse(delivery.Body);
            messages.Enqueue(envelope.RootElement.GetProperty("message").Deserialize<T>(JsonSerializerOptions.Web)!);
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue.QueueName, autoAck: true, consumer);
        return messages;
    }

    private static ValueTask SendAsync<T>(IChannel channel, string urn, string runtimeId, T message) =>
        channel.BasicPublishAsync(
            "", $"runtime-{runtimeId}",
            JsonSerializer.SerializeToUtf8Bytes(new { messageType = new[] { urn }, message }, JsonSerializerOptions.Web));
}
