using System.Net;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Rollouts;

public sealed class ChangeTests : DirectorTests
{
    [Fact]
    public async Task Given_runtimes_that_match_When_a_configuration_is_put_Then_its_rollout_succeeds_and_each_holds_it()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2", "us-1");

        var answer = (await Host.PutAsync("cache", Change.ToRegion("redis-a", "eu"))).Is(HttpStatusCode.Accepted);

        Assert.Equal($"/admin/rollouts/{answer.RolloutId}", answer.Location);
        Assert.Equal((1, "\"1\""), (answer.Number("revision"), answer.ETag));
        var rollout = await Host.UntilRolloutAsync(answer.RolloutId, "Succeeded");
        Assert.Equal(2, rollout.Json!["counts"]!["Applied"]!.GetValue<int>());
        Assert.Equal(["Planned", "Started", "WaveCompleted", "Succeeded"],
            rollout.Json["timeline"]!.AsArray().Select(entry => entry!["kind"]!.ToString()));
        Assert.Equal(["eu-1", "eu-2"], (await Host.TargetsAsync(answer.RolloutId)).Keys.Order(StringComparer.Ordinal));
        Assert.Equal("redis-a", HostIn(Host["eu-1"], "cache"));
        Assert.Empty(Host["us-1"].Newest.Desired.Configurations);
    }

    private static string? HostIn(FakeAgent agent, string configuration) => agent.Newest.Desired.Configurations
        .Single(c => c.Name == configuration).Components[0].Metadata[0].Value?.GetString();
}
