using Governor.Specs;

namespace Governor.IntegrationTests.Local;

/// <summary>The bodies of <c>contracts/examples</c> on the fleet that they are written for.</summary>
public sealed class ExampleTests
{
    [Fact]
    public async Task Given_the_examples_When_they_are_put_Then_each_rollout_succeeds_and_the_runtimes_hold_valid_Dapr_Components()
    {
        await using var local = new LocalGovernor();
        await local.StartAsync();

        await local.RollOutExampleAsync("logging-service");
        await local.RollOutExampleAsync("state-redis-eu");
        await local.RollOutExampleAsync("state-redis-us");
        await HoldsAsync(local, "local-1", "logging-service", "url", "https://logs.eu.example.com/ingest");
        await HoldsAsync(local, "local-3", "logging-service", "url", "https://logs.eu.example.com/ingest");
        await HoldsAsync(local, "local-1", "statestore", "redisHost", "redis-eu.example.com:6379");
        await HoldsAsync(local, "local-2", "statestore", "redisHost", "redis-us.example.com:6379");
        Assert.Equal(4, local.ComponentFiles().Count);

        await local.RollOutExampleAsync("state-redis-shared");
        await HoldsAsync(local, "local-1", "statestore", "redisHost", "redis-shared.example.com:6379");
        await HoldsAsync(local, "local-2", "statestore", "redisHost", "redis-shared.example.com:6379");

        var withdrawal = await local.SendAsync(HttpMethod.Delete, "/api/v1/configurations/state-redis-shared");
        await local.SucceedsAsync(withdrawal!["rolloutId"]!.GetValue<string>());
        await HoldsAsync(local, "local-1", "statestore", "redisHost", "redis-eu.example.com:6379");
        await HoldsAsync(local, "local-2", "statestore", "redisHost", "redis-us.example.com:6379");
        Assert.Equal(4, local.ComponentFiles().Count);
    }

    /// <summary>A rollout succeeds by what was read back, so the file is there now.</summary>
    private static async Task HoldsAsync(LocalGovernor local, string runtimeId, string component, string setting, string value)
    {
        var file = DaprComponentSchema.ToJson(await File.ReadAllBytesAsync(local.FileOf(runtimeId, component)));

        Assert.Empty(await DaprComponentSchema.ValidateAsync(file));
        Assert.Equal(component, file["metadata"]!["name"]!.GetValue<string>());
        var found = Assert.Single(
            file["spec"]!["metadata"]!.AsArray(), s => s!["name"]!.GetValue<string>() == setting);
        Assert.Equal(value, found!["value"]!.GetValue<string>());
    }
}
