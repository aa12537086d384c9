using System.Net;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Runtimes;

public sealed class JoinAndLeaveTests : DirectorTests
{
    [Fact]
    public async Task Given_a_stable_revision_When_a_matching_runtime_is_registered_Then_it_is_assigned_that_at_once()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));

        (await Host.RegisterAsync("eu-2")).Is(HttpStatusCode.Created);

        Assert.Equal(1, (await Host.AssignedAsync("eu-2"))["cache"]);
        await Host.PublishAsync(Host["eu-2"].Enrolment());
        await Host.UntilSettledAsync("eu-2");
        Assert.Equal(("redis-a", false), Host["eu-2"].Newest.Store("cache"));
    }

    [Fact]
    public async Task Given_a_rollout_under_way_When_a_matching_runtime_is_registered_Then_it_joins_as_a_target()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");

        await Host.GivenRuntimesAsync("eu-2");

        await Host.UntilTargetAsync(rolloutId, "eu-2", "Applied");
        Assert.Equal("Progressing", (await Host.RolloutAsync(rolloutId)).Text("state"));
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
    }

    [Fact]
    public async Task Given_a_first_revision_that_failed_When_a_matching_runtime_is_registered_Then_it_gets_nothing()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].Fails("cache");
        await Host.UntilRolloutAsync(await Host.RollOutAsync("cache", Change.To("redis-a")), "Failed");
        await Host.GivenRuntimesAsync("eu-2");
        Assert.Empty(await Host.AssignedAsync("eu-2"));
    }

    [Fact]
    public async Task Given_a_runtime_that_is_relabelled_in_Then_it_is_sent_the_stable_revision_at_once()
    {
        await Host.GivenRuntimesAsync("eu-1", "us-1");
        await Host.GivenRolledOutAsync("cache", Change.ToRegion("redis-a", "eu"));

        (await Host.RegisterAsync("us-1", new { region = "eu" })).Is(HttpStatusCode.OK);

        await Eventually.IsTrueAsync(() => Host["us-1"].Newest.Configurations().Any(), "the message");
        await Host.UntilSettledAsync("us-1");
        Assert.Equal((0, 0), await Host.ScanAsync());
    }

    [Fact]
    public async Task Given_a_runtime_that_is_relabelled_out_Then_it_loses_it_at_once()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenRolledOutAsync("cache", Change.ToRegion("redis-a", "eu"));

        (await Host.RegisterAsync("eu-2", new { region = "us" })).Is(HttpStatusCode.OK);

        Assert.Empty(await Host.AssignedAsync("eu-2"));
        await Eventually.IsTrueAsync(() => !Host["eu-2"].Newest.Configurations().Any(), "the message without it");
        Assert.Equal(["cache"], Host["eu-1"].Newest.Configurations());
    }

    [Fact]
    public async Task Given_a_relabelling_that_concerns_no_selector_Then_nothing_is_sent()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.ToRegion("redis-a", "eu"));
        await Host.UntilSettledAsync("eu-1");
        var generation = (await Host.RuntimeAsync("eu-1")).Generation;

        (await Host.RegisterAsync("eu-1", new { region = "eu", tier = "gold" })).Is(HttpStatusCode.OK);

        Assert.Equal(generation, (await Host.RuntimeAsync("eu-1")).Generation);
    }

    [Fact]
    public async Task Given_a_target_under_way_When_relabelled_out_and_in_again_Then_it_is_removed_and_then_joins_again()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].IsMute = true;
        Host["eu-2"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.ToRegion("redis-a", "eu"));
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Dispatched");

        (await Host.RegisterAsync("eu-2", new { region = "us" })).Is(HttpStatusCode.OK);
        Assert.Equal("Removed", await Host.TargetAsync(rolloutId, "eu-2"));
        Assert.Empty(await Host.AssignedAsync("eu-2"));

        (await Host.RegisterAsync("eu-2", new { region = "eu" })).Is(HttpStatusCode.OK);
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Dispatched");
        await Eventually.IsTrueAsync(() => Host["eu-2"].Updates.Count == 4, "its messages");
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest), Host["eu-2"].Handle(Host["eu-2"].Newest));
        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
    }

    [Fact]
    public async Task Given_a_waiting_target_that_never_got_it_When_relabelled_out_Then_it_is_removed_and_sent_nothing()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.ToRegion("redis-a", "eu", policy: new { maxConcurrency = 1 }));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        var sent = Host["eu-2"].Updates.Count;

        (await Host.RegisterAsync("eu-2", new { region = "us" })).Is(HttpStatusCode.OK);

        Assert.Equal("Removed", await Host.TargetAsync(rolloutId, "eu-2"));
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
        Assert.Equal(sent, Host["eu-2"].Updates.Count);
    }

    [Fact]
    public async Task Given_a_runtime_in_a_later_turn_When_the_rollout_is_not_there_yet_Then_it_is_still_assigned_the_older_revision()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-b", policy: new { maxConcurrency = 1 }));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");

        Assert.Equal((2, 1), ((await Host.AssignedAsync("eu-1"))["cache"], (await Host.AssignedAsync("eu-2"))["cache"]));
    }
}
