using System.Net;
using Governor.Contracts;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Credentials;

/// <summary>Rotations through the same rollouts as configurations.</summary>
public sealed class RotationTests : DirectorTests
{
    [Fact]
    public async Task Given_a_credential_that_nobody_uses_When_rotated_Then_each_version_is_current_at_once()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenCredentialAsync("redis", "two");

        Assert.Equal(["previous", "current"], await Host.StagesAsync("redis"));
        Assert.Empty(Host["eu-1"].Rotations);
        await Eventually.IsTrueAsync(
            () => Host.Ear.Of<CredentialVersionCurrent>().Select(e => e.Version).Order().SequenceEqual([1, 2]), "both announcements");
    }

    [Fact]
    public async Task Given_a_component_that_refers_to_a_credential_When_rolled_out_Then_its_secret_comes_in_the_same_message()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenCredentialAsync("redis", "s3cr3t-value");
        await Host.GivenRolledOutAsync("cache", Secrets.Store());

        var desired = Host["eu-1"].Newest.Desired;
        Assert.Equal([("redis", 1)], desired.Credentials.Select(c => (c.Name, c.Version)));
        Assert.Equal("s3cr3t-value", Host["eu-1"].Secret("redis", "password"));
        Assert.DoesNotContain("s3cr3t-value", System.Text.Json.JsonSerializer.Serialize(Host["eu-1"].Newest), StringComparison.Ordinal);
        Assert.Equal(["eu-1@1"], await Host.HoldersAsync("redis"));
        var shown = (await Host.GetAsync("/api/v1/runtimes/eu-1/desired-state")).Is(HttpStatusCode.OK);
        Assert.Equal("redis", (string?)shown.Json!["credentials"]![0]!["name"]);
        Assert.Null(shown.Json["secrets"]);
    }

    [Fact]
    public async Task Given_runtimes_of_which_some_use_a_credential_When_rotated_Then_it_goes_to_those_alone_and_becomes_current()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2", "us-1");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenRolledOutAsync("cache", Secrets.Store(target: new { matchLabels = new { region = "eu" } }));
        await Host.GivenRolledOutAsync("other", Change.ToRegion("redis-us", "us"));

        var rolloutId = await Host.RotatedAsync("redis", "two");
        var rollout = await Host.UntilRolloutAsync(rolloutId, "Succeeded");

        Assert.Equal((null, "redis", 2), (rollout.Text("configuration"), rollout.Text("credential"), rollout.Number("version")));
        Assert.Equal(["eu-1", "eu-2"], (await Host.TargetsAsync(rolloutId)).Keys.Order(StringComparer.Ordinal));
        Assert.Equal(("two", "two", null), (Host["eu-1"].Secret("redis", "password"), Host["eu-2"].Secret("redis", "password"), Host["us-1"].Secret("redis", "password")));
        Assert.Empty(Host["us-1"].Rotations);
        var message = Assert.Single(Host["eu-1"].Rotations);
        Assert.Equal((rolloutId, "redis", 2), (message.RolloutId, message.Credential, message.Version));
        Assert.Equal(["cache"], message.Desired.Configurations.Select(c => c.Name)); // whole, as every message
        Assert.Equal(["previous", "current"], await Host.StagesAsync("redis"));
        var completed = Host.Ear.Of<RolloutCompleted>().Single(e => e.RolloutId == rolloutId);
        Assert.Equal((null, null, "redis", 2), (completed.Configuration, completed.Revision, completed.Credential, completed.Version));
    }

    [Fact]
    public async Task Given_a_rotation_under_way_When_another_is_asked_for_Then_it_is_a_conflict()
    {
        await GivenUserAsync("eu-1");
        Host["eu-1"].IsMute = true;
        await Host.RotatedAsync("redis", "two");
        (await Host.RotateAsync("redis", new { password = "three" })).IsProblem(HttpStatusCode.Conflict, "rotation-pending", "Version 2");
    }

    [Fact]
    public async Task Given_a_rotation_under_way_When_another_runtime_begins_to_use_the_credential_Then_it_ends_on_the_new_version()
    {
        await GivenUserAsync("eu-1");
        await Host.GivenRuntimesAsync("us-1");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RotatedAsync("redis", "two");
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");

        await Host.GivenRolledOutAsync("far", Secrets.Store(target: new { matchLabels = new { region = "us" } }));
        Assert.Equal("one", Host["us-1"].Secret("redis", "password"));
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await Host.UntilRolloutAsync(rolloutId, "Succeeded");

        await Eventually.IsTrueAsync(() => Host["us-1"].Secret("redis", "password") == "two", "the new version at us-1");
    }

    [Fact]
    public async Task Given_a_runtime_away_When_rotated_Then_the_version_is_current_and_the_old_one_revocable_only_after_its_return()
    {
        await GivenUserAsync("eu-1", "eu-2");
        await GivenAwayAsync("eu-2");
        await Host.UntilRolloutAsync(await Host.RotatedAsync("redis", "two", new { overlap = "00:00:00" }), "CompletedWithDeferred");
        Assert.Equal(["previous", "current"], await Host.StagesAsync("redis"));

        await Host.ScanAsync();
        Assert.Empty(Host.Ear.Of<CredentialVersionRevocable>());
        (await Host.PostAsync("/admin/credentials/redis/versions/1/revoke")).IsProblem(HttpStatusCode.Conflict, "version-held", "eu-2");

        await ReturnsAsync("eu-2");
        await Eventually.IsTrueAsync(() => Host["eu-2"].Secret("redis", "password") == "two", "the new version at eu-2");
        await Host.UntilSettledAsync("eu-2");
        await Host.ScanAsync();
        await Host.ScanAsync();

        await Eventually.IsTrueAsync(() => Host.Ear.Of<CredentialVersionRevocable>().Any(), "the announcement");
        Assert.Equal(1, Assert.Single(Host.Ear.Of<CredentialVersionRevocable>()).Version);
        Assert.Equal("revoked", (await Host.PostAsync("/admin/credentials/redis/versions/1/revoke")).Is(HttpStatusCode.OK).Text("stage"));
        (await Host.PostAsync("/admin/credentials/redis/versions/1/revoke")).Is(HttpStatusCode.OK); // a repeat
        Assert.Null(await Host.ReadAsync(db => db.CredentialVersions.Where(v => v.Version == 1).Select(v => v.Entries).SingleAsync()));
    }

    [Fact]
    public async Task Given_a_rotation_that_fails_Then_its_version_is_abandoned_and_everyone_is_given_one_that_works()
    {
        await GivenUserAsync("eu-1", "eu-2");
        Host["eu-2"].CannotWrite.Add("redis");
        var rolloutId = await Host.RotatedAsync("redis", "two", new { progressDeadline = "00:01:00", overlap = "00:00:00" });
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Applied");
        Assert.Equal("two", Host["eu-1"].Secret("redis", "password"));

        await Host.AdvanceAsync(TimeSpan.FromMinutes(2));
        await Host.RecordAsync(Host["eu-2"].Report());
        await Host.UntilRolloutAsync(rolloutId, "Failed");

        Assert.Equal(["current", "abandoned"], await Host.StagesAsync("redis"));
        Host["eu-2"].CannotWrite.Clear();
        await Host.ScanAsync();
        await Eventually.IsTrueAsync(
            () => Host["eu-1"].Secret("redis", "password") == "two" && Host["eu-2"].Secret("redis", "password") == "one", "versions that work");
        Assert.Contains("eu-1@2", await Host.HoldersAsync("redis"));
        Assert.Contains("eu-2@1", await Host.HoldersAsync("redis"));
        await Host.GivenCredentialAsync("redis", "three", new { overlap = "00:00:00" });
        Assert.Equal(["previous", "abandoned", "current"], await Host.StagesAsync("redis"));
        await Host.UntilSettledAsync("eu-1");
        await Host.UntilSettledAsync("eu-2");
        await Host.ScanAsync();
        await Eventually.IsTrueAsync(() => Host.Ear.Of<CredentialVersionRevocable>().Count() == 2, "both old versions are revocable");
    }

    [Fact]
    public async Task Given_a_rotation_When_rolled_back_Then_whoever_had_it_returns_to_the_current_version()
    {
        await GivenUserAsync("eu-1", "eu-2");
        Host["eu-2"].IsMute = true;
        var rolloutId = await Host.RotatedAsync("redis", "two");
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Applied");
        Host["eu-2"].IsMute = false;

        (await Host.PostAsync($"/admin/rollouts/{rolloutId}/rollback")).Is(HttpStatusCode.OK);
        await Host.UntilRolloutAsync(rolloutId, "RolledBack");

        await Eventually.IsTrueAsync(() => Host["eu-1"].Secret("redis", "password") == "one" && Host["eu-2"].Secret("redis", "password") == "one", "the old one");
        Assert.Equal(["current", "abandoned"], await Host.StagesAsync("redis"));
    }

    [Fact]
    public async Task Given_a_rotation_under_way_When_the_runtime_uses_the_credential_no_more_Then_its_target_is_removed()
    {
        await GivenUserAsync("eu-1", "eu-2");
        Host["eu-2"].IsMute = true;
        var rolloutId = await Host.RotatedAsync("redis", "two");
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Dispatched");

        await Host.RegisterAsync("eu-2", new { region = "nowhere" });

        await Host.UntilTargetAsync(rolloutId, "eu-2", "Removed");
        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
        Assert.Equal([], await Host.AssignedAsync("eu-2"));
    }

    [Fact]
    public async Task Given_a_secret_changed_by_hand_When_scanned_Then_it_is_found_as_tampered_and_sent_again()
    {
        await GivenUserAsync("eu-1");
        await Host.AdvanceAsync(TimeSpan.FromMinutes(1));
        var sent = Host["eu-1"].Updates.Count;
        Host["eu-1"].IsMute = true;
        var report = Host["eu-1"].Report();
        await Host.RecordAsync(report with { Credentials = [new ReportedCredential("redis", "tampered")] });
        Host["eu-1"].IsMute = false;

        await Host.ScanAsync();

        var found = await Host.FindingsAsync();
        await Eventually.IsTrueAsync(() => Host["eu-1"].Updates.Count > sent, "the whole, sent again");
        Assert.Equal(["eu-1/redis Tampered"], found);
        var announced = Host.Ear.Of<DriftDetected>().Single();
        Assert.Equal(("redis", null, "Tampered"), (announced.Credential, announced.Configuration, announced.Kind));
    }

    private async Task GivenUserAsync(params string[] runtimeIds)
    {
        await Host.GivenRuntimesAsync(runtimeIds);
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenRolledOutAsync("cache", Secrets.Store(target: new { matchLabels = new { region = "eu" } }));
        foreach (var runtimeId in runtimeIds)
            await Host.UntilSettledAsync(runtimeId);
    }

    private async Task GivenAwayAsync(string away)
    {
        Host[away].LosesMessages = true;
        await Host.AdvanceAsync(TimeSpan.FromMinutes(10));
        foreach (var other in Fleet.Runtimes.Where(id => id != away && Host[id].Requests.IsEmpty is false))
            await Host.RecordAsync(Host[other].Report());
    }

    private async Task ReturnsAsync(string runtimeId)
    {
        Host[runtimeId].LosesMessages = false;
        await Host.RecordAsync(Host[runtimeId].Report());
    }
}
