using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Rollouts;

public sealed class BudgetTests : DirectorTests
{
    private static readonly string[] Three = ["eu-1", "eu-2", "eu-3"];

    [Fact]
    public async Task Given_a_cap_on_concurrency_Then_never_more_than_that_are_dispatched_at_a_time()
    {
        await Host.GivenRuntimesAsync([.. Fleet.Runtimes]);
        foreach (var runtimeId in Fleet.Runtimes)
            Host[runtimeId].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxConcurrency = 2 }));

        foreach (var runtimeId in Fleet.Runtimes)
        {
            await Host.UntilTargetAsync(rolloutId, runtimeId, "Dispatched");
            await Eventually.IsTrueAsync(() => Host[runtimeId].Newest.Configurations().Any(), "its message");
            Assert.InRange(Assert.Single(await Host.WavesAsync()).Dispatched, 1, 2);
            await Host.RecordAsync(Host[runtimeId].Handle(Host[runtimeId].Newest));
            Assert.InRange(Assert.Single(await Host.WavesAsync()).Dispatched, 0, 2);
        }

        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
    }

    [Fact]
    public async Task Given_no_tolerance_When_one_fails_Then_the_rollout_fails_and_the_rest_is_cancelled()
    {
        await Host.GivenRuntimesAsync(Three);
        Host["eu-1"].Fails("cache");

        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxConcurrency = 1 }));

        var rollout = await Host.UntilRolloutAsync(rolloutId, "Failed");
        Assert.Contains("maxFailures", rollout.Text("reason"), StringComparison.Ordinal);
        Assert.Equal(["Failed", "Cancelled", "Cancelled"], (await Host.TargetsAsync(rolloutId)).OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => t.Value));
        Assert.Equal(0, (await Host.GetAsync("/api/v1/configurations")).Items[0]["stableRevision"]!.GetValue<int>());
    }

    [Fact]
    public async Task Given_no_tolerance_When_one_fails_while_another_is_under_way_Then_the_end_waits_for_that()
    {
        await Host.GivenRuntimesAsync(Three);
        Host["eu-1"].Fails("cache");
        Host["eu-2"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxConcurrency = 2 }));

        await Host.UntilRolloutAsync(rolloutId, "Aborting");
        await Eventually.IsTrueAsync(() => Host["eu-2"].Newest.Configurations().Any(), "its message");
        await Host.RecordAsync(Host["eu-2"].Handle(Host["eu-2"].Newest));

        await Host.UntilRolloutAsync(rolloutId, "Failed");
        Assert.Equal(["Failed", "Applied", "Cancelled"], (await Host.TargetsAsync(rolloutId)).OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => t.Value));
    }

    [Fact]
    public async Task Given_tolerance_for_one_When_one_rejects_Then_the_rollout_completes_with_failures_and_says_why()
    {
        await Host.GivenRuntimesAsync(Three);
        Host["eu-2"].Rejects("cache", "denied-component-type");

        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxFailures = 1 }));

        await Host.UntilRolloutAsync(rolloutId, "CompletedWithFailures");
        var rejected = Assert.Single((await Host.GetAsync($"/admin/rollouts/{rolloutId}/targets?state=rejected")).Items);
        Assert.Equal(("eu-2", "denied-component-type", "It says denied-component-type."),
            ((string?)rejected["runtimeId"], (string?)rejected["reason"], (string?)rejected["error"]));
        Assert.Equal(1, (await Host.GetAsync("/api/v1/configurations")).Items[0]["stableRevision"]!.GetValue<int>());
    }

    [Fact]
    public async Task Given_failures_and_rejections_Then_both_count_against_the_budget()
    {
        await Host.GivenRuntimesAsync(Three);
        Host["eu-1"].Fails("cache");
        Host["eu-2"].Rejects("cache");
        await Host.UntilRolloutAsync(
            await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxFailures = 1, maxConcurrency = 1 })), "Failed");
    }

    [Fact]
    public async Task Given_a_failed_target_When_its_runtime_shows_the_content_after_all_Then_the_target_tells_so()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].Fails("cache");
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxFailures = 1 }));
        await Host.UntilRolloutAsync(rolloutId, "CompletedWithFailures");

        Host["eu-1"].AppliesAgain();
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));

        Assert.Equal("Applied", await Host.TargetAsync(rolloutId, "eu-1"));
        Assert.Equal("CompletedWithFailures", (await Host.RolloutAsync(rolloutId)).Text("state"));
    }

    [Fact]
    public async Task Given_the_progress_deadline_Then_who_reports_without_it_is_timed_out_and_who_is_silent_is_deferred()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2", "eu-3");
        Host["eu-1"].IsMute = Host["eu-2"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxFailures = 1, progressDeadline = "00:02:00" }));
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Dispatched");
        await Host.UntilTargetAsync(rolloutId, "eu-3", "Applied");
        await Host.RecordAsync(Host["eu-1"].Report());
        var waits = (await Host.RolloutAsync(rolloutId)).Json!["deadlines"]!["next"];
        Assert.NotNull(waits);

        await Host.AdvanceAsync(TimeSpan.FromMinutes(2));

        await Host.UntilRolloutAsync(rolloutId, "CompletedWithFailures");
        Assert.Equal("TimedOut", await Host.TargetAsync(rolloutId, "eu-1"));
        Assert.Equal("Deferred", await Host.TargetAsync(rolloutId, "eu-2"));

        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest), Host["eu-2"].Handle(Host["eu-2"].Newest));
        Assert.Equal("Applied", await Host.TargetAsync(rolloutId, "eu-1"));
        Assert.Equal("Applied", await Host.TargetAsync(rolloutId, "eu-2"));
    }
}
