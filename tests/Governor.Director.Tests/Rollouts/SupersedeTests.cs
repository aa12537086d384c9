using Governor.Contracts;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Rollouts;

public sealed class SupersedeTests : DirectorTests
{
    [Fact]
    public async Task Given_a_rollout_under_way_When_a_newer_one_starts_Then_the_first_is_superseded_and_its_late_report_disturbs_nothing()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].IsMute = true;
        var first = await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxConcurrency = 1 }));
        await Host.UntilTargetAsync(first, "eu-1", "Dispatched");
        await Eventually.IsTrueAsync(() => Host["eu-1"].Newest.RolloutId == first, "the first message");
        var older = Host["eu-1"].Newest;

        var second = await Host.RollOutAsync("cache", Change.To("redis-b"));
        var ended = await Host.UntilRolloutAsync(first, "Superseded");
        Assert.Contains("revision 2", ended.Text("reason"), StringComparison.Ordinal);
        Assert.All((await Host.TargetsAsync(first)).Values, state => Assert.Equal("Superseded", state));
        await Host.UntilTargetAsync(second, "eu-1", "Dispatched");
        await Eventually.IsTrueAsync(() => Host["eu-1"].Newest.RolloutId == second, "the second message");

        await Host.RecordAsync(Host["eu-1"].Handle(older));
        Assert.Equal("Applied", await Host.TargetAsync(first, "eu-1"));
        Assert.Equal("Dispatched", await Host.TargetAsync(second, "eu-1"));
        Assert.Equal("Superseded", (await Host.RolloutAsync(first)).Text("state"));

        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await Host.UntilRolloutAsync(second, "Succeeded");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Given_two_accepted_rollouts_When_woken_in_either_order_Then_the_newer_succeeds_and_the_older_is_superseded(bool newerFirst)
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true;
        var older = await Host.GivenSleepingRolloutAsync("cache", 1, "redis-a", "eu-1");
        var newer = await Host.GivenSleepingRolloutAsync("cache", 2, "redis-b", "eu-1");

        foreach (var rolloutId in newerFirst ? new[] { newer, older } : [older, newer])
        {
            await Host.PublishAsync(new RolloutPlanned(rolloutId));
            if (rolloutId == older && !newerFirst)
                await Host.UntilTargetAsync($"{older}", "eu-1", "Dispatched");
            else if (rolloutId == newer)
                await Host.UntilTargetAsync($"{newer}", "eu-1", "Dispatched");
        }

        await Host.UntilRolloutAsync($"{older}", "Superseded");
        await Eventually.IsTrueAsync(() => Host["eu-1"].Newest.Revision == 2, "the message");
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await Host.UntilRolloutAsync($"{newer}", "Succeeded");
        Assert.Equal(("redis-b", false), Host["eu-1"].Newest.Store("cache"));
        Assert.Equal(2, (await Host.AssignedAsync("eu-1"))["cache"]);
    }

    [Fact]
    public async Task Given_hints_that_come_twice_late_and_for_nothing_Then_they_change_nothing()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var rolloutId = Guid.Parse(await Host.GivenRolledOutAsync("cache", Change.To("redis-a")));
        var before = (await Host.RolloutAsync($"{rolloutId}")).Json!.ToJsonString();

        foreach (var id in new[] { rolloutId, Guid.NewGuid() })
        {
            await Host.PublishAsync(new RolloutPlanned(id));
            await Host.PublishAsync(new TargetsProgressed(id));
            await Host.PublishAsync(new RolloutDue(id));
            await Host.PublishAsync(new DispatchNext(id));
            await Host.PublishAsync(new RolloutActionRequested(id, Guid.NewGuid()));
        }

        // An action goes the same way as the hints before it, and its answer shows that they are through.
        await Host.PostAsync($"/admin/rollouts/{rolloutId}/abort");
        Assert.Equal(before, (await Host.RolloutAsync($"{rolloutId}")).Json!.ToJsonString());
    }

    [Fact]
    public async Task Given_a_withdrawal_under_way_When_the_sweep_of_the_former_revision_comes_late_Then_it_brings_nothing_back()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var first = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-1"].IsMute = true;
        var deletion = (await Host.DeleteAsync("/api/v1/configurations/cache")).RolloutId;
        await Host.UntilTargetAsync(deletion, "eu-1", "Dispatched");

        await Host.PublishAsync(new DispatchNext(Guid.Parse(first)));
        await Host.PostAsync($"/admin/rollouts/{first}/abort");

        Assert.Empty(await Host.AssignedAsync("eu-1"));
        await Eventually.IsTrueAsync(() => !Host["eu-1"].Newest.Configurations().Any(), "the message without it");
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await Host.UntilRolloutAsync(deletion, "Succeeded");
    }
}
