using Governor.Contracts;
using Governor.Director.Drift;
using Governor.Director.Tests.Hosting;
using Governor.Director.Tests.Rollouts;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Director.Tests.Drift;

public sealed class HealTests : DirectorTests
{
    private static readonly string Other = new('e', 64);

    [Fact]
    public async Task Given_content_that_another_hand_changed_right_after_the_rollout_Then_the_next_run_repairs_it_and_closes_the_finding()
    {
        await GivenCacheOnAsync("eu-1");
        Host["eu-1"].IsTampered("cache", Other);
        await Host.RecordAsync(Host["eu-1"].Report());

        Assert.Equal((1, 1), await Host.ScanAsync());

        Assert.Equal(["eu-1/cache Tampered"], await Host.FindingsAsync());
        await Host.UntilSettledAsync("eu-1");
        Assert.Equal((0, 0), await Host.ScanAsync());
        Assert.Empty(await Host.FindingsAsync());
        await Eventually.IsTrueAsync(() => Host.Ear.Of<DriftCorrected>().Any(), "the news");
        Assert.Equal(("eu-1", "cache", "Tampered", Other),
            (Host.Ear.Of<DriftDetected>().Single().RuntimeId, Host.Ear.Of<DriftDetected>().Single().Configuration,
                Host.Ear.Of<DriftDetected>().Single().Kind, Host.Ear.Of<DriftDetected>().Single().ReportedDigest));
    }

    [Fact]
    public async Task Given_content_that_was_deleted_Then_it_is_missing_and_repaired()
    {
        await GivenCacheOnAsync("eu-1");
        Host["eu-1"].IsTampered("cache", null);
        await Host.RecordAsync(Host["eu-1"].Report());
        Assert.Equal((1, 1), await Host.ScanAsync());
        Assert.Equal(["eu-1/cache Missing"], await Host.FindingsAsync());
    }

    [Fact]
    public async Task Given_the_content_of_an_older_revision_Then_it_is_stale_and_repaired()
    {
        await GivenCacheOnAsync("eu-1");
        var older = Host["eu-1"].Newest.Desired.Configurations[0].Digest;
        await Host.GivenRolledOutAsync("cache", Change.To("redis-b"));
        await Host.UntilSettledAsync("eu-1");
        Host["eu-1"].IsTampered("cache", older);
        await Host.RecordAsync(Host["eu-1"].Report());
        Assert.Equal((1, 1), await Host.ScanAsync());
        Assert.Equal(["eu-1/cache Stale"], await Host.FindingsAsync());
    }

    [Fact]
    public async Task Given_a_runtime_that_reports_no_more_Then_it_is_silent_and_sent_nothing_until_it_is_back()
    {
        await GivenCacheOnAsync("eu-1");
        await Host.AdvanceAsync(TimeSpan.FromMinutes(4));

        Assert.Equal((1, 0), await Host.ScanAsync());

        Assert.Equal(["eu-1/ Silent"], await Host.FindingsAsync());
        await Eventually.IsTrueAsync(() => Host.Ear.Of<RuntimeSilent>().Any(), "the news");
        await Host.RecordAsync(Host["eu-1"].Report());
        Assert.Equal((0, 0), await Host.ScanAsync());
        Assert.Empty(await Host.FindingsAsync());
    }

    [Fact]
    public async Task Given_a_finding_When_its_runtime_falls_silent_Then_the_finding_stays()
    {
        await GivenCacheOnAsync("eu-1");
        Host["eu-1"].IsTampered("cache", Other);
        Host["eu-1"].IsMute = true;
        await Host.RecordAsync(Host["eu-1"].Report());
        await Host.ScanAsync();
        await Host.AdvanceAsync(TimeSpan.FromMinutes(4));
        await Host.ScanAsync();
        Assert.Equal(["eu-1/ Silent", "eu-1/cache Tampered"], (await Host.FindingsAsync()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Given_a_runtime_that_was_never_heard_Then_that_is_no_drift()
    {
        await Host.GivenAwayRuntimesAsync("eu-1");
        await Host.AdvanceAsync(TimeSpan.FromHours(1));
        Assert.Equal((0, 0), await Host.ScanAsync());
    }

    [Fact]
    public async Task Given_content_that_a_runtime_could_not_take_Then_it_is_shown_with_the_reason_and_sent_again_after_the_deadline()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].Fails("cache");
        await Host.UntilRolloutAsync(await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxFailures = 1 })), "CompletedWithFailures");

        Assert.Equal((1, 0), await Host.ScanAsync());
        var finding = Assert.Single((await Host.GetAsync("/admin/drift")).Items);
        Assert.StartsWith("failed: It says ", (string?)finding["reason"], StringComparison.Ordinal);
        await Host.AdvanceAsync(TimeSpan.FromSeconds(31));
        Host["eu-1"].AppliesAgain();
        Assert.Equal((1, 1), await Host.ScanAsync());

        await Host.UntilSettledAsync("eu-1");
        Assert.Equal((0, 0), await Host.ScanAsync());
        Assert.Equal("redis-a", Host["eu-1"].Newest.Store("cache").Host);
    }

    [Fact]
    public async Task Given_content_that_its_runtime_comes_to_reject_Then_it_is_shown_as_foreign_and_never_sent_to_again()
    {
        await GivenCacheOnAsync("eu-1");
        Host["eu-1"].Rejects("cache");
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));

        Assert.Equal((1, 0), await Host.ScanAsync());
        await Host.AdvanceAsync(TimeSpan.FromMinutes(2));
        Assert.Equal((1, 0), await Host.ScanAsync());
        Assert.Equal(["eu-1/cache Foreign"], await Host.FindingsAsync());

        Host["eu-1"].AppliesAgain();
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        Assert.Equal((0, 0), await Host.ScanAsync());
        Assert.Empty(await Host.FindingsAsync());
    }

    [Fact]
    public async Task Given_something_that_is_not_assigned_Then_it_is_orphaned_and_taken_away()
    {
        await GivenCacheOnAsync("eu-1");
        var report = Host["eu-1"].Report();
        await Host.RecordAsync(report with { Configurations = [.. report.Configurations, new("ghost", Other)] });

        Assert.Equal((1, 1), await Host.ScanAsync());
        Assert.Equal(["eu-1/ghost Orphaned"], await Host.FindingsAsync());

        await Host.UntilSettledAsync("eu-1");
        Assert.Equal((0, 0), await Host.ScanAsync());
        Assert.Empty(await Host.FindingsAsync());
    }

    [Fact]
    public async Task Given_runs_of_the_drift_job_Then_each_is_recorded_and_one_moment_is_served_once()
    {
        var moment = Host.Clock.GetUtcNow();
        for (var i = 0; i < 2; i++)
        {
            await Host.InScopeAsync(async services =>
                await services.GetRequiredService<DriftScan>().RunAsync(moment, TestContext.Current.CancellationToken));
        }

        await Host.ScanAsync();

        var runs = (await Host.GetAsync("/admin/drift/runs")).Items;
        Assert.Equal([null, moment], runs.Select(r => (DateTimeOffset?)r["scheduledAt"]));
        Assert.All(runs, r => Assert.NotNull(r["finishedAt"]));
    }

    [Fact]
    public async Task Given_a_runtime_that_healing_does_not_help_Then_each_attempt_waits_twice_as_long_as_the_one_before()
    {
        Host["eu-1"].ReportInterval = TimeSpan.FromDays(1);
        await GivenCacheOnAsync("eu-1");
        Host["eu-1"].Applies = wanted => FakeAgent.Applied(wanted) with { Digest = Other };
        Host["eu-1"].IsTampered("cache", Other);
        await Host.RecordAsync(Host["eu-1"].Report());

        Assert.Equal(1, await SentAsync());
        Assert.Equal(0, await SentAsync());
        await Host.AdvanceAsync(TimeSpan.FromMinutes(61));
        Assert.Equal(1, await SentAsync());
        await Host.AdvanceAsync(TimeSpan.FromMinutes(30));
        Assert.Equal(0, await SentAsync());

        async Task<int> SentAsync()
        {
            await Host.UntilSettledAsync("eu-1");
            return (await Host.ScanAsync()).Sent;
        }
    }

    [Fact]
    public async Task Given_a_runtime_that_was_healed_When_it_is_changed_again_after_a_calm_run_Then_it_is_healed_at_once()
    {
        await GivenCacheOnAsync("eu-1");
        for (var i = 0; i < 3; i++)
        {
            Host["eu-1"].IsTampered("cache", Other);
            await Host.RecordAsync(Host["eu-1"].Report());
            Assert.Equal((1, 1), await Host.ScanAsync());
            await Host.UntilSettledAsync("eu-1");
            Assert.Equal((0, 0), await Host.ScanAsync());
        }
    }

    [Fact]
    public async Task Given_a_pair_that_a_rollout_has_in_hand_Then_it_is_passed_over_and_others_of_that_runtime_are_not()
    {
        await GivenCacheOnAsync("eu-1");
        await Host.GivenRolledOutAsync("other", Change.To("redis-o", component: "other"));
        await Host.UntilSettledAsync("eu-1");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-b"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        Host["eu-1"].IsTampered("cache", Other);
        Host["eu-1"].IsTampered("other", Other);
        await Host.RecordAsync(Host["eu-1"].Report());

        Assert.Equal((1, 1), await Host.ScanAsync());

        Assert.Equal(["eu-1/other Tampered"], await Host.FindingsAsync());
    }

    [Fact]
    public async Task Given_a_runtime_that_has_just_been_sent_what_it_missed_Then_the_run_waits_for_its_answer()
    {
        await Host.GivenAwayRuntimesAsync("eu-1");
        await Host.UntilRolloutAsync(await Host.RollOutAsync("cache", Change.To("redis-a")), "CompletedWithDeferred");
        await Eventually.IsTrueAsync(async () => (await Host.AssignedAsync("eu-1")).Count == 1, "the sweep");
        Host["eu-1"].IsMute = true;
        await Host.RecordAsync(Host["eu-1"].Report());
        await Eventually.IsTrueAsync(() => !Host["eu-1"].Updates.IsEmpty, "the message");

        Assert.Equal((0, 0), await Host.ScanAsync());

        await Host.AdvanceAsync(TimeSpan.FromSeconds(31));
        Assert.Equal((1, 1), await Host.ScanAsync());
    }

    [Fact]
    public async Task Given_a_rollout_whose_saga_was_never_woken_Then_the_drift_run_wakes_it()
    {
        Host["eu-1"].ReportInterval = TimeSpan.FromDays(1);
        await Host.GivenRuntimesAsync("eu-1");
        var rolloutId = await Host.GivenSleepingRolloutAsync("cache", 1, "redis-a", "eu-1");
        await Host.AdvanceAsync(TimeSpan.FromMinutes(61));

        await Host.ScanAsync();

        await Host.UntilRolloutAsync($"{rolloutId}", "Succeeded");
    }

    [Fact]
    public async Task Given_a_runtime_that_is_behind_the_stable_revision_Then_the_run_sweeps_it()
    {
        await GivenCacheOnAsync("eu-1");
        await Host.ChangeAsync(db => db.Assignments.ExecuteDeleteAsync());
        await Host.ScanAsync();
        Assert.Equal(1, (await Host.AssignedAsync("eu-1"))["cache"]);
    }

    [Fact]
    public async Task Given_findings_of_many_runtimes_When_listed_by_page_Then_each_is_there_once_and_other_tenants_see_none()
    {
        await GivenCacheOnAsync("eu-1", "eu-2", "us-1");
        await Host.AdvanceAsync(TimeSpan.FromMinutes(4));
        await Host.ScanAsync();
        var first = await Host.GetAsync("/admin/drift?limit=2");
        var second = await Host.GetAsync($"/admin/drift?limit=2&cursor={first.Text("nextCursor")}");
        Assert.Equal(["eu-1", "eu-2", "us-1"], first.Items.Concat(second.Items).Select(f => (string?)f["runtimeId"]));
        Assert.Empty((await Host.GetAsync("/admin/drift", ("Tenant", "acme"))).Items);
    }

    private async Task GivenCacheOnAsync(params string[] runtimeIds)
    {
        await Host.GivenRuntimesAsync(runtimeIds);
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        foreach (var runtimeId in runtimeIds)
            await Host.UntilSettledAsync(runtimeId);
    }
}
