using System.Net;
using Governor.Contracts;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Rollouts;

public sealed class RollBackTests : DirectorTests
{
    [Fact]
    public async Task Given_a_rollout_under_way_When_rolled_back_Then_a_new_revision_with_the_former_content_goes_to_whom_it_reached()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2", "eu-3");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-2"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-b", policy: new { maxConcurrency = 1 }));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Applied");
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Dispatched");

        var answer = (await Host.PostAsync($"/admin/rollouts/{rolloutId}/rollback")).Is(HttpStatusCode.OK);
        Assert.Equal(("accepted", "RollingBack", "rollback"), (answer.Text("outcome"), answer.Text("state"), answer.Text("action")));
        await Eventually.IsTrueAsync(() => Host["eu-2"].Newest.Store("cache").Host == "redis-a", "the former content to come");
        Host["eu-2"].IsMute = false;
        await Host.RecordAsync(Host["eu-2"].Handle(Host["eu-2"].Newest));

        var rolledBack = await Host.UntilRolloutAsync(rolloutId, "RolledBack");
        var rollback = await Host.UntilRolloutAsync(rolledBack.Text("rolledBackBy")!, "Succeeded");
        Assert.Equal((rolloutId, 3), (rollback.Text("rollbackOf"), rollback.Number("revision")));
        Assert.Equal(["eu-1", "eu-2"], (await Host.TargetsAsync(rollback.RolloutId)).Keys.Order(StringComparer.Ordinal));
        Assert.Equal(("Applied", "Cancelled", "Cancelled"), (await Host.TargetAsync(rolloutId, "eu-1"),
            await Host.TargetAsync(rolloutId, "eu-2"), await Host.TargetAsync(rolloutId, "eu-3")));
        foreach (var runtimeId in new[] { "eu-1", "eu-2", "eu-3" })
        {
            await Host.UntilSettledAsync(runtimeId);
            await Eventually.IsTrueAsync(async () => (await Host.AssignedAsync(runtimeId))["cache"] == 3, $"{runtimeId} at revision 3");
            Assert.Equal("redis-a", Host[runtimeId].Newest.Store("cache").Host);
        }

        Assert.DoesNotContain(Host["eu-3"].Updates, u => u.Configurations().Any() && u.Store("cache").Host == "redis-b");
        await Eventually.IsTrueAsync(
            () => Host.Ear.Of<RolloutCompleted>().Any(c => c.RolloutId == rolloutId && c.State == "RolledBack"), "the news");
    }

    [Fact]
    public async Task Given_a_first_revision_When_rolled_back_Then_it_is_withdrawn()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-2"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Applied");
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Dispatched");

        (await Host.PostAsync($"/admin/rollouts/{rolloutId}/rollback")).Is(HttpStatusCode.OK);
        await Eventually.IsTrueAsync(() => !Host["eu-2"].Newest.Configurations().Any(), "the withdrawal to come");
        Host["eu-2"].IsMute = false;
        await Host.RecordAsync(Host["eu-2"].Handle(Host["eu-2"].Newest));

        await Host.UntilRolloutAsync(rolloutId, "RolledBack");
        foreach (var runtimeId in new[] { "eu-1", "eu-2" })
        {
            Assert.Empty(await Host.AssignedAsync(runtimeId));
            await Host.UntilSettledAsync(runtimeId);
            Assert.Empty(Host[runtimeId].Newest.Configurations());
        }

        Assert.True((bool)(await Host.GetAsync("/api/v1/configurations/cache")).Json!["deleted"]!);
    }

    [Fact]
    public async Task Given_a_rollback_that_is_superseded_Then_the_bad_rollout_ends_too_and_the_newest_content_wins()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-1"].IsMute = true;
        var bad = await Host.RollOutAsync("cache", Change.To("redis-b"));
        await Host.UntilTargetAsync(bad, "eu-1", "Dispatched");
        (await Host.PostAsync($"/admin/rollouts/{bad}/rollback")).Is(HttpStatusCode.OK);
        var rollback = (await Host.RolloutAsync(bad)).Text("rolledBackBy")!;
        await Host.UntilTargetAsync(rollback, "eu-1", "Dispatched");
        Host["eu-1"].IsMute = false;

        var newest = await Host.GivenRolledOutAsync("cache", Change.To("redis-c"));

        await Host.UntilRolloutAsync(rollback, "Superseded");
        await Host.UntilRolloutAsync(bad, "Superseded");
        Assert.Equal("Applied", await Host.TargetAsync(newest, "eu-1"));
        Assert.Equal(4, (await Host.AssignedAsync("eu-1"))["cache"]);
    }

    [Fact]
    public async Task Given_a_rollback_When_it_is_rolled_back_or_the_bad_rollout_is_aborted_Then_that_is_a_conflict_that_says_why()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true;
        var bad = await Host.RollOutAsync("cache", Change.To("redis-b"));
        await Host.UntilTargetAsync(bad, "eu-1", "Dispatched");
        (await Host.PostAsync($"/admin/rollouts/{bad}/rollback")).Is(HttpStatusCode.OK);
        var rollback = (await Host.RolloutAsync(bad)).Text("rolledBackBy")!;
        await Host.UntilTargetAsync(rollback, "eu-1", "Dispatched");

        (await Host.PostAsync($"/admin/rollouts/{rollback}/rollback"))
            .IsProblem(HttpStatusCode.Conflict, "action-not-possible", "is a rollback itself");
        (await Host.PostAsync($"/admin/rollouts/{bad}/abort")).IsProblem(HttpStatusCode.Conflict, "action-not-possible", "RollingBack");
    }

    [Fact]
    public async Task Given_a_rollback_that_is_aborted_Then_the_bad_rollout_ends_and_what_it_brought_is_given_back()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-1"].IsMute = true;
        var bad = await Host.RollOutAsync("cache", Change.To("redis-b"));
        await Host.UntilTargetAsync(bad, "eu-1", "Dispatched");
        (await Host.PostAsync($"/admin/rollouts/{bad}/rollback")).Is(HttpStatusCode.OK);
        var rollback = (await Host.RolloutAsync(bad)).Text("rolledBackBy")!;
        await Host.UntilTargetAsync(rollback, "eu-1", "Dispatched");

        (await Host.PostAsync($"/admin/rollouts/{rollback}/abort")).Is(HttpStatusCode.OK);
        await Host.AdvanceAsync(TimeSpan.FromMinutes(11));

        await Host.UntilRolloutAsync(rollback, "Aborted");
        await Host.UntilRolloutAsync(bad, "RolledBack");
        Assert.Equal(1, (await Host.AssignedAsync("eu-1"))["cache"]);
    }

    [Fact]
    public async Task Given_a_rollout_that_nobody_has_woken_When_rolled_back_Then_nothing_of_it_is_sent()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var rolloutId = await Host.GivenSleepingRolloutAsync("cache", 1, "redis-a", "eu-1");

        (await Host.PostAsync($"/admin/rollouts/{rolloutId}/rollback")).Is(HttpStatusCode.OK);

        await Host.UntilRolloutAsync(rolloutId.ToString(), "RolledBack");
        Assert.DoesNotContain(Host["eu-1"].Updates, u => u.Configurations().Any());
    }
}
