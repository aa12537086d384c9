using System.Net;
using System.Text;
using System.Text.Json;
using Governor.IntegrationTests.Crashes;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Credentials;

/// <summary>An old version is given up only when nobody may hold it, and one that failed leaves everyone with one that works.</summary>
public sealed class RevocableTests
{
    private const string Revocable = "governor.credential-version-revocable";
    private static readonly (string, string?) ScanOften = ("Drift__Interval", "00:00:01");

    [Fact]
    public async Task Given_a_runtime_whose_agent_is_away_When_rotated_Then_the_version_is_current_and_the_old_one_revocable_once_after_its_return()
    {
        await using var fleet = await CredentialFleet.StartAsync([ScanOften], [("Agent__ReportInterval", "00:00:01")]);
        await using var rows = Rows.Of(fleet.Sandbox);
        await fleet.JoinAsync("pair", "here", "lost");
        await fleet.Api.GivenUsedAsync("redis", "one", "fleet", "pair");
        await fleet.StopAgentAsync("lost");
        await Eventually.TrueAsync(
            async () => (await fleet.Api.GetAsync("/api/v1/runtimes/lost")).GetProperty("away").GetBoolean(), RunningDirector.Patience, "it is away");
        await using var tap = await Tap.StartAsync(fleet.Sandbox, "here", "lost");

        var rolloutId = await fleet.Api.RotateAsync("redis", "two", new { overlap = "00:00:00" });
        await fleet.Api.WaitUntilEndedAsync(rolloutId, "CompletedWithDeferred");
        Assert.Equal(["previous", "current"], await fleet.Api.StagesAsync("redis"));
        Assert.Equal("Deferred", await fleet.Api.TargetStateAsync(rolloutId, "lost"));
        await fleet["here"].WaitForSecretAsync("redis", "two");
        await fleet.Api.WaitUntilHeldAsync("redis", "here@2", "lost@1");

        await TwoMoreDriftRunsAsync(rows);
        Assert.Empty(await AnnouncedAsync(tap));
        var refused = await fleet.Api.DoAsync("redis", 1, "revoke");
        Assert.Equal(HttpStatusCode.Conflict, refused.Status);
        Assert.Contains("version-held", refused.Body, StringComparison.Ordinal);
        Assert.Contains("lost", refused.Body, StringComparison.Ordinal);

        fleet.StartAgent("lost");
        await Eventually.TrueAsync(async () => (await AnnouncedAsync(tap)).Count > 0, RunningDirector.Patience, "version 1 is announced as revocable");
        Assert.Equal("two", fleet["lost"].Secret("redis"));
        await TwoMoreDriftRunsAsync(rows);

        var announced = Assert.Single(await AnnouncedAsync(tap));
        Assert.Equal(("redis", 1), (DirectorApi.Text(announced, "credential"), announced.GetProperty("version").GetInt32()));
        Assert.Equal(HttpStatusCode.OK, (await fleet.Api.DoAsync("redis", 1, "revoke")).Status);
        Assert.Equal(["revoked", "current"], await fleet.Api.StagesAsync("redis"));
        await fleet.Api.WaitUntilHeldAsync("redis", "here@2", "lost@2");
    }

    [Fact]
    public async Task Given_a_runtime_that_cannot_write_the_new_secret_When_the_rotation_fails_Then_each_holds_a_version_that_works_and_usage_says_which()
    {
        await using var fleet = await CredentialFleet.StartAsync(ScanOften);
        await using var rows = Rows.Of(fleet.Sandbox);
        await fleet.JoinAsync("pair", "writes", "cannot");
        await fleet.Api.GivenUsedAsync("redis", "one", "fleet", "pair");
        string rolloutId;
        string obstacle;
        // Nothing is dispatched before the place of the new secret is taken.
        await using (await rows.HoldAsync("LOCK TABLE assignments IN EXCLUSIVE MODE"))
        {
            rolloutId = await fleet.Api.RotateAsync("redis", "two", new { maxFailures = 0, progressDeadline = "00:00:20" });
            obstacle = SecretFileOf(fleet["cannot"], (await fleet.Api.VersionsAsync("redis"))[1]);
            Directory.CreateDirectory(obstacle);
        }

        await fleet.Api.WaitUntilTargetAsync(rolloutId, "writes", "Applied");
        await fleet.Api.WaitUntilEndedAsync(rolloutId, "Failed");

        Assert.Equal(["current", "abandoned"], await fleet.Api.StagesAsync("redis"));
        await fleet.Api.WaitUntilHeldAsync("redis", "cannot@1", "writes@2");
        Assert.Equal(("two", "one"), (fleet["writes"].Secret("redis"), fleet["cannot"].Secret("redis")));
        await fleet.Api.WaitUntilHeardAsync(["writes", "cannot"]);
        var usage = await fleet.Api.GetAsync("/admin/credentials/redis/usage");
        Assert.All(usage.GetProperty("items").EnumerateArray(), item => Assert.True(
            item.GetProperty("assigned").GetBoolean() && item.GetProperty("reported").GetBoolean(), $"{item}"));

        Directory.Delete(obstacle);
        await fleet.Api.RotatedAsync("redis", "three");
        Assert.Equal(("three", "three"), (fleet["writes"].Secret("redis"), fleet["cannot"].Secret("redis")));
        Assert.Equal(["previous", "abandoned", "current"], await fleet.Api.StagesAsync("redis"));
    }

    private static string SecretFileOf(AgentFolder folder, JsonElement version)
    {
        var set = System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes($"redis@{DirectorApi.Text(version, "versionId")}"));
        return Path.Combine(folder.Resources, $".governor-secrets-{Convert.ToHexStringLower(set)[..16]}.json");
    }

    private static async Task<IReadOnlyList<JsonElement>> AnnouncedAsync(Tap tap)
    {
        await tap.CatchUpAsync();
        return [.. tap.Messages.Where(m => m.Exchange == Revocable).Select(m => m.Json().GetProperty("message"))];
    }

    /// <summary>Two, because the first may have begun before.</summary>
    private static async Task TwoMoreDriftRunsAsync(Rows rows)
    {
        const string Finished = "SELECT count(*) FROM drift_runs WHERE finished_at IS NOT NULL";
        await rows.WaitForAsync(await rows.ScalarAsync<long>(Finished) + 2, Finished);
    }
}
