using System.Net;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Rollouts;

/// <summary>What a runtime rejected, and what a rollout that ended badly had brought, is taken back.</summary>
public sealed class GiveBackTests : DirectorTests
{
    [Fact]
    public async Task Given_content_that_one_runtime_rejects_Then_that_one_is_given_what_it_held_and_the_others_keep_the_new()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-1"].Rejects("cache", "denied-component-type");

        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-b", policy: new { maxFailures = 1 }));

        await Host.UntilRolloutAsync(rolloutId, "CompletedWithFailures");
        await UntilHoldsAsync("eu-1", revision: 1, "redis-a");
        Assert.Equal(2, (await Host.AssignedAsync("eu-2"))["cache"]);
        Assert.Equal("Rejected", await Host.TargetAsync(rolloutId, "eu-1"));
    }

    [Fact]
    public async Task Given_content_that_a_runtime_rejected_Then_no_sweep_and_no_relabelling_brings_it_again_and_a_new_rollout_does()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].Rejects("cache");
        await Host.UntilRolloutAsync(
            await Host.RollOutAsync("cache", Change.ToRegion("redis-a", "eu", policy: new { maxFailures = 1 })), "CompletedWithFailures");
        await UntilHoldsNothingAsync("eu-1");
        Host["eu-1"].AppliesAgain();
        var sent = Host["eu-1"].Updates.Count;

        Assert.Equal((0, 0), await Host.ScanAsync());
        await Host.AdvanceAsync(TimeSpan.FromMinutes(2));
        Assert.Equal((0, 0), await Host.ScanAsync());
        (await Host.RegisterAsync("eu-1", new { region = "us" })).Is(HttpStatusCode.OK);
        (await Host.RegisterAsync("eu-1", new { region = "eu" })).Is(HttpStatusCode.OK);
        await Host.UntilSettledAsync("eu-1");
        Assert.Empty(await Host.AssignedAsync("eu-1"));
        Assert.Equal(sent, Host["eu-1"].Updates.Count);

        await Host.GivenRolledOutAsync("cache", Change.ToRegion("redis-a", "eu", policy: new { maxFailures = 1 }).With("priority", 1));
        Assert.Equal(2, (await Host.AssignedAsync("eu-1"))["cache"]);
        Assert.False(await Host.ReadAsync(db => db.Rejections.AnyAsync()));
    }

    [Fact]
    public async Task Given_a_runtime_that_rejects_in_one_configuration_what_it_holds_in_another_Then_it_is_not_brought_and_taken_back_for_ever()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].Rejects("cache");
        await Host.UntilRolloutAsync(
            await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxFailures = 1 })), "CompletedWithFailures");
        await UntilHoldsNothingAsync("eu-1");
        await Host.GivenRolledOutAsync("copy", Change.To("redis-a"));

        // It may be brought once more: the same content has been applied after all.
        for (var run = 0; run < 2; run++)
        {
            await Host.AdvanceAsync(TimeSpan.FromMinutes(2));
            await Host.RecordAsync(Host["eu-1"].Report());
            await Host.ScanAsync();
            await Host.UntilSettledAsync("eu-1");
        }

        await NothingMoreIsSentAsync("eu-1");
    }

    [Fact]
    public async Task Given_a_rollout_over_its_budget_Then_whoever_does_not_hold_it_is_given_back_what_it_held()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-1"].Fails("cache");

        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-b", policy: new { maxConcurrency = 1 }));

        await Host.UntilRolloutAsync(rolloutId, "Failed");
        await UntilHoldsAsync("eu-1", revision: 1, "redis-a");
        Host["eu-1"].AppliesAgain();
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await UntilHoldsAsync("eu-2", revision: 1, "redis-a");
        await NothingMoreIsSentAsync("eu-1", "eu-2");
    }

    [Fact]
    public async Task Given_an_aborted_rollout_Then_who_applied_it_keeps_it_and_who_did_not_is_given_back_what_it_held()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-2"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-b"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Applied");
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Dispatched");
        (await Host.PostAsync($"/admin/rollouts/{rolloutId}/abort")).Is(HttpStatusCode.OK);

        await Host.AdvanceAsync(TimeSpan.FromMinutes(11));

        await Host.UntilRolloutAsync(rolloutId, "Aborted");
        Host["eu-2"].IsMute = false;
        await Host.RecordAsync(Host["eu-2"].Handle(Host["eu-2"].Newest)); // what it was sent last, given back by then or not
        await UntilHoldsAsync("eu-2", revision: 1, "redis-a");
        Assert.Equal(2, (await Host.AssignedAsync("eu-1"))["cache"]);
        await NothingMoreIsSentAsync("eu-1", "eu-2");
    }

    [Fact]
    public async Task Given_what_was_given_back_When_a_late_report_shows_it_applied_Then_the_target_stays_as_it_ended()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].Fails("cache");
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilRolloutAsync(rolloutId, "Failed");
        await UntilHoldsNothingAsync("eu-1");

        var bad = Host["eu-1"].Updates.First(u => u.Configurations().Any());
        var report = Host["eu-1"].Report();
        await Host.RecordAsync(report with
        {
            Generation = bad.Generation, Configurations = [FakeAgent.Applied(bad.Desired.Configurations[0])],
        });

        Assert.Equal("Failed", await Host.TargetAsync(rolloutId, "eu-1"));
    }

    [Fact]
    public async Task Given_a_deletion_that_is_aborted_Then_who_has_not_confirmed_it_gets_the_content_back()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-1"].IsMute = true;
        var rolloutId = (await Host.DeleteAsync("/api/v1/configurations/cache")).Is(HttpStatusCode.Accepted).RolloutId;
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        (await Host.PostAsync($"/admin/rollouts/{rolloutId}/abort")).Is(HttpStatusCode.OK);

        await Host.AdvanceAsync(TimeSpan.FromMinutes(11));

        await Host.UntilRolloutAsync(rolloutId, "Aborted");
        Assert.Equal(1, (await Host.AssignedAsync("eu-1"))["cache"]);
    }

    private async Task UntilHoldsAsync(string runtimeId, int revision, string host)
    {
        await Eventually.IsTrueAsync(
            async () => (await Host.AssignedAsync(runtimeId)).GetValueOrDefault("cache") == revision, $"{runtimeId} at revision {revision}");
        await Host.UntilSettledAsync(runtimeId);
        Assert.Equal(host, Host[runtimeId].Newest.Store("cache").Host);
    }

    private async Task UntilHoldsNothingAsync(string runtimeId)
    {
        await Eventually.IsTrueAsync(async () => (await Host.AssignedAsync(runtimeId)).Count == 0, $"{runtimeId} without assignment");
        await Host.UntilSettledAsync(runtimeId);
    }

    private async Task NothingMoreIsSentAsync(params string[] runtimeIds)
    {
        var sent = runtimeIds.Sum(id => Host[id].Updates.Count);
        await Host.AdvanceAsync(TimeSpan.FromMinutes(2));
        foreach (var runtimeId in runtimeIds)
            await Host.RecordAsync(Host[runtimeId].Report());
        Assert.Equal((0, 0), await Host.ScanAsync());
        Assert.Equal(sent, runtimeIds.Sum(id => Host[id].Updates.Count));
    }
}
