using System.Net;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Rollouts;

public sealed class TargetTests : DirectorTests
{
    [Fact]
    public async Task Given_a_runtime_that_holds_the_content_When_only_the_selector_widens_Then_it_is_skipped_without_a_message()
    {
        await Host.GivenRuntimesAsync("eu-1", "us-1");
        await Host.GivenRolledOutAsync("cache", Change.ToRegion("redis-a", "eu"));
        var sent = Host["eu-1"].Updates.Count;

        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));

        Assert.Equal("Skipped", await Host.TargetAsync(rolloutId, "eu-1"));
        Assert.Equal("Applied", await Host.TargetAsync(rolloutId, "us-1"));
        Assert.Equal(sent, Host["eu-1"].Updates.Count);
        Assert.Equal(2, (await Host.AssignedAsync("eu-1"))["cache"]);
        Assert.Equal((0, 0), await Host.ScanAsync());
    }

    [Fact]
    public async Task Given_a_runtime_that_was_tampered_with_When_only_the_selector_widens_Then_it_is_sent_again()
    {
        await Host.GivenRuntimesAsync("eu-1", "us-1");
        await Host.GivenRolledOutAsync("cache", Change.ToRegion("redis-a", "eu"));
        Host["eu-1"].IsTampered("cache", "0123");
        await Host.RecordAsync(Host["eu-1"].Report());

        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));

        Assert.Equal("Applied", await Host.TargetAsync(rolloutId, "eu-1"));
    }

    [Fact]
    public async Task Given_a_selector_that_narrows_Then_those_who_match_no_more_lose_it_in_the_same_rollout()
    {
        await Host.GivenRuntimesAsync("eu-1", "us-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));

        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.ToRegion("redis-b", "eu"));

        Assert.Equal("Applied", await Host.TargetAsync(rolloutId, "us-1"));
        Assert.Empty(Host["us-1"].Newest.Desired.Configurations);
        Assert.Empty(await Host.AssignedAsync("us-1"));
    }

    [Fact]
    public async Task Given_a_runtime_that_cannot_remove_it_Then_its_target_is_failed_and_not_applied()
    {
        await Host.GivenRuntimesAsync("eu-1", "us-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["us-1"].IsMute = true;

        var rolloutId = await Host.RollOutAsync("cache", Change.ToRegion("redis-b", "eu", policy: new { maxFailures = 1 }));
        await Eventually.IsTrueAsync(() => !Host["us-1"].Newest.Configurations().Any(), "the message without it");
        var report = Host["us-1"].Handle(Host["us-1"].Newest);
        await Host.RecordAsync(report with
        {
            Configurations = [new("cache", new string('a', 64), Contracts.ApplyOutcome.Failed, OutcomeDigest: null, "disk-full", "No space left.")],
        });

        await Host.UntilRolloutAsync(rolloutId, "CompletedWithFailures");
        Assert.Equal("Failed", await Host.TargetAsync(rolloutId, "us-1"));
    }

    [Fact]
    public async Task Given_a_runtime_that_was_never_heard_Then_it_is_deferred_at_once_and_holds_nobody_up()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenAwayRuntimesAsync("eu-2");

        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));

        var rollout = await Host.UntilRolloutAsync(rolloutId, "CompletedWithDeferred");
        Assert.Contains("1 target(s) are away", rollout.Text("reason"), StringComparison.Ordinal);
        var deferred = (await Host.GetAsync($"/admin/rollouts/{rolloutId}/targets?state=deferred")).Items;
        Assert.Equal(("eu-2", "away"), ((string?)Assert.Single(deferred)["runtimeId"], (string?)deferred[0]["reason"]));
        Assert.Empty(Host["eu-2"].Updates);
    }

    [Fact]
    public async Task Given_a_deferred_runtime_When_it_returns_Then_it_is_sent_the_stable_revision_once_and_its_target_tells_so()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenAwayRuntimesAsync("eu-2");
        await Host.UntilRolloutAsync(await Host.RollOutAsync("cache", Change.To("redis-1")), "CompletedWithDeferred");
        await Host.UntilRolloutAsync(await Host.RollOutAsync("cache", Change.To("redis-2")), "CompletedWithDeferred");
        var third = await Host.RollOutAsync("cache", Change.To("redis-3"));
        await Host.UntilRolloutAsync(third, "CompletedWithDeferred");

        await Host.PublishAsync(Host["eu-2"].Enrolment());
        await Host.UntilTargetAsync(third, "eu-2", "Applied");

        Assert.Equal("CompletedWithDeferred", (await Host.RolloutAsync(third)).Text("state"));
        Assert.Equal("redis-3", Assert.Single(Host["eu-2"].Updates, u => u.Configurations().Any()).Store("cache").Host);
        await Host.UntilSettledAsync("eu-2");
        Assert.Equal((0, 0), await Host.ScanAsync());
    }

    [Fact]
    public async Task Given_a_rollout_under_way_When_a_deferred_runtime_is_heard_Then_it_is_dispatched_in_it()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenAwayRuntimesAsync("eu-2");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Deferred");

        await Host.PublishAsync(Host["eu-2"].Enrolment());
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Applied");
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
    }

    [Fact]
    public async Task Given_a_deferred_runtime_that_lacks_nothing_else_When_one_report_ends_its_silence_Then_it_is_dispatched_without_another()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.AdvanceAsync(TimeSpan.FromMinutes(4));
        await Host.RecordAsync(Host["eu-1"].Report());
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Deferred");

        await Host.RecordAsync(Host["eu-2"].Report());

        await Host.UntilTargetAsync(rolloutId, "eu-2", "Applied");
    }

    [Fact]
    public async Task Given_a_runtime_that_missed_three_intervals_When_a_rollout_starts_Then_it_counts_as_away()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.AdvanceAsync(TimeSpan.FromMinutes(4));
        await Host.RecordAsync(Host["eu-1"].Report());
        Assert.True((await Host.GetAsync("/api/v1/runtimes/eu-2")).Json!["away"]!.GetValue<bool>());

        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));

        await Host.UntilRolloutAsync(rolloutId, "CompletedWithDeferred");
        Assert.Equal("Deferred", await Host.TargetAsync(rolloutId, "eu-2"));
    }

    [Fact]
    public async Task Given_the_Directors_were_down_When_a_rollout_starts_Then_the_silence_until_then_does_not_count()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host.Clock.Advance(TimeSpan.FromMinutes(4));
        var now = Host.Clock.GetUtcNow();
        await Eventually.IsTrueAsync(() => Host.ReadAsync(db => Task.FromResult(db.Heartbeats.Any(h => h.ListeningSince >= now))), "a heartbeat");

        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
    }

    [Fact]
    public async Task Given_many_targets_When_listed_by_page_and_by_state_Then_each_is_there_once()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2", "us-1");
        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));

        var first = (await Host.GetAsync($"/admin/rollouts/{rolloutId}/targets?limit=2")).Is(HttpStatusCode.OK);
        var second = (await Host.GetAsync($"/admin/rollouts/{rolloutId}/targets?limit=2&cursor={first.Text("nextCursor")}")).Is(HttpStatusCode.OK);
        Assert.Equal(["eu-1", "eu-2", "us-1"], first.Items.Concat(second.Items).Select(t => (string?)t["runtimeId"]));
        Assert.Null(second.Text("nextCursor"));
        Assert.Equal(3, (await Host.GetAsync($"/admin/rollouts/{rolloutId}/targets?state=applied")).Items.Count);
        Assert.Empty((await Host.GetAsync($"/admin/rollouts/{rolloutId}/targets?state=Waiting")).Items);
    }
}
