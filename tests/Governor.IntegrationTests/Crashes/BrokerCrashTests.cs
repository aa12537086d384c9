using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Crashes;

/// <summary>The broker ended in the middle of a rollout; each test has one of its own.</summary>
public sealed class BrokerCrashTests
{
    private const string Applied = "SELECT count(*) FROM rollout_targets WHERE rollout_id = $1 AND state = 'Applied'";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Given_a_rollout_under_way_When_the_broker_ends_and_starts_again_Then_each_runtime_is_written_once(bool killed)
    {
        await using var broker = await PrivateBroker.StartNewAsync();
        await using var sandbox = await Sandbox.CreateAsync(broker.Address);
        await using var rows = Rows.Of(sandbox);
        await using var director = await RunningDirector.StartAsync(
            sandbox, ("Drift__Interval", "00:00:02"), ("Delivery__Deadline", "00:00:05"));
        await using var fleet = await AgentFleet.StartAsync(sandbox, director.Api, "restart", 20);
        var rolloutId = await director.Api.ChangeAsync("restart", DirectorCrashTests.Slowly("https://logs.example/restart", "restart"));

        await rows.WaitForAsync(4, Applied, Guid.Parse(rolloutId));
        // A broker that ends in good order takes its time; outcomes wait for the lock, or the rollout might be over before.
        await using (killed ? null : await rows.HoldAsync("LOCK TABLE rollout_waves IN SHARE MODE"))
            await (killed ? broker.KillAsync() : broker.StopAsync());
        Assert.True(await rows.ScalarAsync<long>(Applied, Guid.Parse(rolloutId)) < 20, "The rollout was over before the broker ended.");
        await broker.StartAsync();

        await director.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        await fleet.HoldAsync("https://logs.example/restart");
        await DirectorCrashTests.EverythingIsToldAsync(rows);
    }
}
