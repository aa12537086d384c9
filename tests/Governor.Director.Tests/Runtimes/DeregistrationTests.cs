using System.Net;
using Governor.Director.Runtimes;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Runtimes;

public sealed class DeregistrationTests : DirectorTests
{
    [Fact]
    public async Task Given_a_runtime_that_holds_something_When_deregistered_Then_it_goes_once_it_reports_that_nothing_is_left()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-1"].IsMute = true;

        (await Host.DeleteAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.Accepted);

        Assert.Equal("deregistering", (await Host.GetAsync("/api/v1/runtimes/eu-1")).Text("state"));
        await Host.RecordAsync(Host["eu-1"].Report());
        Assert.Equal("deregistering", (await Host.GetAsync("/api/v1/runtimes/eu-1")).Text("state"));
        await Eventually.IsTrueAsync(() => !Host["eu-1"].Newest.Configurations().Any(), "the message that takes all away");
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        (await Host.GetAsync("/api/v1/runtimes/eu-1")).IsProblem(HttpStatusCode.NotFound, "runtime-not-found");
        Assert.True(await NothingIsLeftAsync());
    }

    [Fact]
    public async Task Given_a_deregistering_runtime_When_registered_again_Then_it_is_a_conflict_and_a_repeat_of_the_deletion_is_none()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true;
        (await Host.DeleteAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.Accepted);
        var generation = (await Host.RuntimeAsync("eu-1")).Generation;

        (await Host.RegisterAsync("eu-1")).IsProblem(HttpStatusCode.Conflict, "runtime-deregistering", "?force=true");
        (await Host.DeleteAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.Accepted);
        Assert.Equal(generation, (await Host.RuntimeAsync("eu-1")).Generation);
    }

    [Fact]
    public async Task Given_a_deregistering_runtime_When_a_configuration_is_put_for_all_Then_it_is_no_target_of_it()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].IsMute = true;
        (await Host.DeleteAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.Accepted);

        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));

        Assert.Equal(["eu-2"], (await Host.TargetsAsync(rolloutId)).Keys);
        await Host.ScanAsync();
        Assert.Empty(await Host.AssignedAsync("eu-1"));
    }

    [Fact]
    public async Task Given_force_When_deregistered_Then_it_is_gone_at_once_and_registered_again_it_goes_on_counting_generations()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.UntilSettledAsync("eu-1");
        var generation = (await Host.RuntimeAsync("eu-1")).Generation;

        (await Host.DeleteAsync("/api/v1/runtimes/eu-1?force=true")).Is(HttpStatusCode.NoContent);

        (await Host.GetAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.NotFound);
        Assert.True(await NothingIsLeftAsync());
        await Host.GivenRuntimesAsync("eu-1");
        Assert.True((await Host.RuntimeAsync("eu-1")).Generation > generation);
        Assert.Equal(1, (await Host.AssignedAsync("eu-1"))["cache"]);
        await Eventually.IsTrueAsync(() => Host["eu-1"].Newest.Generation > generation && Host["eu-1"].Newest.Configurations().Any(), "the whole again");
    }

    [Fact]
    public async Task Given_a_rollout_under_way_When_a_target_is_deregistered_Then_it_is_removed_and_the_rollout_goes_on()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxConcurrency = 1 }));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");

        (await Host.DeleteAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.Accepted);

        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
        Assert.Equal("Removed", await Host.TargetAsync(rolloutId, "eu-1"));
        await Eventually.IsTrueAsync(() => !Host["eu-1"].Newest.Configurations().Any() && Host["eu-1"].Updates.Count == 3, "the message without it");
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        Assert.Equal("Removed", await Host.TargetAsync(rolloutId, "eu-1"));
        (await Host.GetAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Given_a_runtime_that_goes_while_it_is_away_When_it_returns_Then_it_is_told_to_hold_nothing_and_leaves()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.AdvanceAsync(TimeSpan.FromMinutes(4));
        (await Host.DeleteAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.Accepted);
        Assert.NotEmpty(Host["eu-1"].Newest.Configurations());

        await Host.RecordAsync(Host["eu-1"].Report());

        await Eventually.IsTrueAsync(async () => (await Host.GetAsync("/api/v1/runtimes/eu-1")).Status == HttpStatusCode.NotFound, "it to go");
    }

    [Fact]
    public async Task Given_an_unknown_runtime_When_deregistered_Then_it_is_not_found() =>
        (await Host.DeleteAsync("/api/v1/runtimes/eu-9")).IsProblem(HttpStatusCode.NotFound, "runtime-not-found");

    private Task<bool> NothingIsLeftAsync() => Host.ReadAsync(async db =>
        !await db.Assignments.AnyAsync() && !await db.ReportItems.AnyAsync() && !await db.Findings.AnyAsync()
        && await db.RetiredRuntimes.AnyAsync(r => r.RuntimeId == "eu-1")
        && !await db.Runtimes.AnyAsync(r => r.State == RuntimeState.Deregistering));
}
