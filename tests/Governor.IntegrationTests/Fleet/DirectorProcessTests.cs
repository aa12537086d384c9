using System.Text.Json;

namespace Governor.IntegrationTests.Fleet;

/// <summary>The Director as a process: how it starts, says what is missing, shares the work, and ends.</summary>
public sealed class DirectorProcessTests
{
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Patience = RunningDirector.Patience;

    [Theory]
    [InlineData("ConnectionStrings__RabbitMq")]
    [InlineData("ConnectionStrings__Director")]
    public async Task Given_a_missing_address_When_it_starts_Then_it_ends_with_one_line_that_names_the_key(string key)
    {
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["ConnectionStrings__RabbitMq"] = "amqp://user:password@127.0.0.1:1/",
            ["ConnectionStrings__Director"] = "Host=127.0.0.1;Port=1;Database=none;Username=none;Password=none",
            [key] = null,
        };
        await using var director = GovernorProcess.Start("Governor.Director", environment);

        Assert.NotEqual(0, await director.WaitForExitAsync(Patience));
        Assert.Contains(key, Assert.Single(director.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_an_empty_database_that_it_may_not_migrate_When_readiness_is_asked_Then_the_schema_is_named_until_it_is_there()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var waiting = await RunningDirector.StartListeningAsync(sandbox, ("Database__MigrateOnStart", "false"));
        Assert.Contains("schema", await waiting.Api.GetUnreadyChecksAsync());
        Assert.Contains("Database__MigrateOnStart", (await waiting.Api.ReadyAsync()).Body, StringComparison.Ordinal);

        await using var migrating = await RunningDirector.StartAsync(sandbox);

        await waiting.WaitUntilReadyAsync();
    }

    [Fact]
    public async Task Given_a_rollout_under_way_When_the_director_is_asked_to_end_Then_it_drains_in_time_and_another_finishes()
    {
        string[] ids = [.. Enumerable.Range(1, 100).Select(n => $"drain-{n}")];
        await using var sandbox = await Sandbox.CreateAsync();
        await using var director = await RunningDirector.StartAsync(sandbox);
        await director.Api.RegisterAsync(ids, ("fleet", "drain"));
        await director.Api.WaitUntilProvisionedAsync(ids);
        await using var fleet = await SimulatedFleet.StartAsync(sandbox.RabbitMq, ids);
        await director.Api.WaitUntilHeardAsync(ids);
        var rolloutId = await director.Api.ChangeAsync("drain", Contents.Logging("https://logs.example/drain", "fleet", "drain"));

        Assert.Equal(0, await director.Process.TerminateAsync(Drain));

        await using var next = await RunningDirector.StartAsync(sandbox);
        await next.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        Assert.Empty(fleet.Failures);
    }

    [Fact]
    public async Task Given_two_directors_that_start_at_once_on_an_empty_database_When_a_rollout_goes_Then_one_migrates_and_both_work()
    {
        string[] ids = [.. Enumerable.Range(1, 200).Select(n => $"shared-{n}")];
        await using var sandbox = await Sandbox.CreateAsync();
        var starts = new[] { RunningDirector.StartAsync(sandbox), RunningDirector.StartAsync(sandbox) };
        await Task.WhenAll(starts);
        await using var one = await starts[0];
        await using var two = await starts[1];
        Assert.Single($"{one.Process.Output}\n{two.Process.Output}".Split('\n'), line => line.Contains("Applying", StringComparison.Ordinal));

        await one.Api.RegisterAsync(ids, ("fleet", "shared"));
        await two.Api.WaitUntilProvisionedAsync(ids);
        await using var fleet = await SimulatedFleet.StartAsync(sandbox.RabbitMq, ids);
        await two.Api.WaitUntilHeardAsync(ids);
        var rolloutId = await one.Api.ChangeAsync("shared", Contents.Logging("https://logs.example/shared", "fleet", "shared"));
        await two.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");

        Assert.Empty(fleet.Failures);
        Assert.Equal(200, (await one.Api.GetAsync($"/admin/rollouts/{rolloutId}")).GetProperty("counts").GetProperty("Applied").GetInt32());
        var busy = new HashSet<string>(StringComparer.Ordinal);
        await Eventually.TrueAsync(
            async () =>
            {
                busy.UnionWith(await BusyConsumersAsync(sandbox, "governor-reports"));
                return busy.Count == 2;
            },
            Patience, () => $"both Directors have recorded reports; {busy.Count} did");
    }

    /// <summary>The connections whose consumer of a queue has acknowledged something, as the broker counted.</summary>
    private static async Task<IEnumerable<string>> BusyConsumersAsync(Sandbox sandbox, string queue)
    {
        var consumers = await sandbox.Management.GetAsync($"consumers/{sandbox.Name}");
        var channels = consumers.EnumerateArray()
            .Where(c => c.GetProperty("queue").GetProperty("name").GetString() == queue)
            .Select(c => c.GetProperty("channel_details").GetProperty("name").GetString()!);
        var busy = new List<string>();
        foreach (var name in channels)
        {
            var channel = await sandbox.Management.GetAsync($"channels/{Uri.EscapeDataString(name)}");
            if (channel.TryGetProperty("message_stats", out var stats) && stats.ValueKind == JsonValueKind.Object
                && stats.TryGetProperty("ack", out var acknowledged) && acknowledged.GetInt64() > 0)
            {
                busy.Add(name);
            }
        }

        return busy;
    }
}
