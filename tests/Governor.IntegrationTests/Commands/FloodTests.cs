using System.Globalization;
using System.Text.Json.Nodes;
using Governor.IntegrationTests.Fleet;
using RabbitMQ.Client;

namespace Governor.IntegrationTests.Commands;

/// <summary>Messages that no one can use never stop the consumer, and cost no memory.</summary>
public sealed class FloodTests
{
    private const string Update = "governor-update-configuration";
    private const int Bad = 10_000;
    private const int Good = 100;
    private const int GrowthKilobytes = 100 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private static readonly object Json = new { contentType = "application/json" };

    [Fact]
    public async Task Given_ten_thousand_bad_messages_among_a_hundred_good_ones_Then_all_good_ones_are_done_and_memory_stays_flat()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var director = await RunningDirector.StartAsync(sandbox);
        await director.Api.RegisterAsync(["flood-1"], ("fleet", "flood"));
        var good = Command(name: "flood-{n}");
        NodeMessage[] bad =
        [
            new(Update, "{\"commandId\": ", Json),
            new(Update, good, new { }),
            new(Update, "[1, 2]", Json),
            new(Update, Command(name: 5), Json),
            new(Update, Command(name: "Not A Name"), Json),
        ];

        // A third first: what the runtime takes once is no growth.
        const int Every = (Bad + Good) / Good;
        var first = await NodeClient.FloodAsync(sandbox.RabbitMq, Update, bad, 30 * Every, good, Every);
        await UntilDrainedAsync(sandbox);
        var before = ResidentKilobytes(director.Process.Id);
        var second = await NodeClient.FloodAsync(
            sandbox.RabbitMq, Update, bad, 70 * Every, good.Replace("flood-{n}", "more-{n}", StringComparison.Ordinal), Every);
        await UntilDrainedAsync(sandbox);
        var after = ResidentKilobytes(director.Process.Id);

        Assert.Equal((30, 0), (first.Accepted, first.Rejected));
        Assert.Equal((70, 0), (second.Accepted, second.Rejected));
        Assert.Equal(Good, (await director.Api.GetAsync("/api/v1/configurations?limit=200")).GetProperty("items").GetArrayLength());
        Assert.True(after - before < GrowthKilobytes, $"The Director grew from {before} to {after} kB.");

        // What can be read is rejected, the rest is a dead letter, and each of them is said once.
        await SaidAsync(director, "was rejected", Bad * 2 / 5);
        await SaidAsync(director, "Dead letter", Bad * 3 / 5);
    }

    /// <summary>Waits for the lines, of which the last may still be on their way from the process, and fails on any that is too many.</summary>
    private static async Task SaidAsync(RunningDirector director, string text, int times)
    {
        int Count() => director.Process.Output.Split('\n').Count(line => line.Contains(text, StringComparison.Ordinal));
        await Eventually.TrueAsync(() => Task.FromResult(Count() >= times), Patience, () => $"{times} lines with '{text}'; there are {Count()}");
        Assert.Equal(times, Count());
    }

    /// <summary>Waits until the queues are empty, asked of the broker itself: its statistics are some seconds old.</summary>
    private static async Task UntilDrainedAsync(Sandbox sandbox)
    {
        var factory = new ConnectionFactory { Uri = new Uri(sandbox.RabbitMq) };
        await using var connection = await factory.CreateConnectionAsync(CancellationToken.None);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
        foreach (var queue in (string[])[Update, "governor-dead-letters"])
        {
            await Eventually.TrueAsync(
                async () => (await channel.QueueDeclarePassiveAsync(queue, CancellationToken.None)).MessageCount == 0, Patience, $"{queue} is empty");
        }
    }

    private static string Command(JsonNode name)
    {
        var command = JsonNode.Parse(Contents.Logging("https://logs.example", "fleet", "flood"))!.AsObject();
        command["commandId"] = name.DeepClone();
        command["requestedBy"] = "node";
        command["name"] = name;
        return command.ToJsonString();
    }

    private static int ResidentKilobytes(int processId) => int.Parse(
        File.ReadLines($"/proc/{processId}/status").Single(line => line.StartsWith("VmRSS:", StringComparison.Ordinal))[6..^2].Trim(),
        CultureInfo.InvariantCulture);
}
