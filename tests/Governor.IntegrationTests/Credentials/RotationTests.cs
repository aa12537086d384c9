using Governor.IntegrationTests.Crashes;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Credentials;

/// <summary>A rotation reaches those that use the credential, and nobody else.</summary>
public sealed class RotationTests
{
    [Fact]
    public async Task Given_runtimes_of_which_some_use_a_credential_When_it_is_rotated_Then_each_of_those_holds_the_new_value_and_the_others_were_sent_nothing()
    {
        await using var fleet = await CredentialFleet.StartAsync();
        await fleet.JoinAsync("users", "uses-1", "uses-2");
        await fleet.JoinAsync("others", "other-1");
        await fleet.Api.GivenUsedAsync("redis", "one", "fleet", "users");
        await fleet.Api.GivenUsedAsync("mail", "letter", "fleet", "others");
        var before = await GenerationAsync(fleet, "other-1");
        await using var tap = await Tap.StartAsync(fleet.Sandbox, "uses-1", "uses-2", "other-1");

        var rolloutId = await fleet.Api.RotateAsync("redis", "two");
        await fleet.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");

        Assert.Equal(["uses-1", "uses-2"], (await fleet.Api.TargetsAsync(rolloutId)).Keys.Order(StringComparer.Ordinal));
        foreach (var id in (string[])["uses-1", "uses-2"])
        {
            Assert.Equal("two", fleet[id].Secret("redis"));
            Assert.Single(fleet[id].SecretFiles());
        }

        await tap.CatchUpAsync();
        Assert.Equal(
            ["governor.credential-rotated>uses-1", "governor.credential-rotated>uses-2"],
            tap.Messages.Where(m => m.RoutingKey.Length > 0).Select(m => $"{m.Exchange}>{m.RoutingKey}").Order(StringComparer.Ordinal));
        Assert.Equal(before, await GenerationAsync(fleet, "other-1"));
        Assert.Equal(("letter", null), (fleet["other-1"].Secret("mail"), TryRead(fleet["other-1"], "redis")));
        Assert.Equal(["previous", "current"], await fleet.Api.StagesAsync("redis"));
    }

    [Theory]
    [InlineData(null, "two", 2, "Succeeded")]
    [InlineData("abort", "one", 1, "Aborted")]
    public async Task Given_a_rotation_under_way_When_another_component_begins_to_use_the_credential_Then_it_ends_on_the_right_version(
        string? action, string secret, int version, string state)
    {
        await using var fleet = await CredentialFleet.StartAsync();
        await fleet.JoinAsync("first", "first-1");
        await fleet.JoinAsync("second", "second-1");
        await fleet.Api.GivenUsedAsync("redis", "one", "fleet", "first");
        await fleet.StopAgentAsync("first-1"); // holds the rotation up
        var rolloutId = await fleet.Api.RotateAsync("redis", "two");
        await fleet.Api.WaitUntilTargetAsync(rolloutId, "first-1", "Dispatched");

        var content = CredentialApi.Using(Contents.Logging("https://second.example", "fleet", "second"), "redis");
        await fleet.Api.WaitUntilEndedAsync(await fleet.Api.ChangeAsync("second", content), "Succeeded");
        Assert.Equal("one", fleet["second-1"].Secret("redis"));
        if (action is not null)
        {
            using var answer = await fleet.Api.SendAsync(HttpMethod.Post, $"/admin/rollouts/{rolloutId}/{action}", body: null);
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(CancellationToken.None));
        }

        fleet.StartAgent("first-1");
        await fleet.Api.WaitUntilEndedAsync(rolloutId, state);

        // What the first was sent before the abort it has applied: that works too, for as long as it may hold it.
        await fleet["first-1"].WaitForSecretAsync("redis", "two");
        await fleet["second-1"].WaitForSecretAsync("redis", secret);
        await fleet.Api.WaitUntilHeldAsync("redis", "first-1@2", $"second-1@{version}");
        Assert.Equal(action is null ? ["previous", "current"] : ["current", "abandoned"], await fleet.Api.StagesAsync("redis"));
    }

    [Fact]
    public async Task Given_a_rotation_under_way_When_the_only_director_is_killed_again_and_again_Then_it_ends_and_each_runtime_holds_the_new_value()
    {
        const string Applied = "SELECT count(*) FROM rollout_targets WHERE rollout_id = $1 AND state = 'Applied'";
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var director = await RestartedDirector.StartAsync(sandbox);
        await using var fleet = await AgentFleet.StartAsync(sandbox, director.Api, "killed", 30);
        await director.Api.GivenUsedAsync("redis", "one", "fleet", "killed");
        var rolloutId = await director.Api.RotateAsync("redis", "two", new { maxConcurrency = 2 });

        foreach (var progress in new[] { 3, 12 })
        {
            await rows.WaitForAsync(progress, Applied, Guid.Parse(rolloutId));
            await director.KillAsync();
            Assert.True(await rows.ScalarAsync<long>(Applied, Guid.Parse(rolloutId)) < 30, "The rotation was over before the kill.");
            await director.StartAgainAsync(("Drift__Interval", "00:00:02"));
        }

        await director.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        Assert.All(fleet.Folders, folder => Assert.Equal("two", folder.Secret("redis")));
        await fleet.HoldAsync("https://redis.example", writes: 2); // the first, and the one that turned it to the new store
        await DirectorCrashTests.EverythingIsToldAsync(rows);
        await director.Api.WaitUntilHeldAsync("redis", [.. fleet.Ids.Select(id => $"{id}@2").Order(StringComparer.Ordinal)]);
        Assert.Equal(["previous", "current"], await director.Api.StagesAsync("redis"));
    }

    private static async Task<long> GenerationAsync(CredentialFleet fleet, string runtimeId) =>
        (await fleet.Api.GetAsync($"/api/v1/runtimes/{runtimeId}")).GetProperty("generation").GetInt64();

    private static string? TryRead(AgentFolder folder, string credential) =>
        folder.SecretFiles().Any(file => File.ReadAllText(file).Contains($"\"{credential}\"", StringComparison.Ordinal)) ? credential : null;
}
