using System.Net;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Rollouts;

public sealed class ShadowingTests : DirectorTests
{
    [Fact]
    public async Task Given_two_of_one_name_Then_the_higher_priority_wins_and_the_other_is_back_when_it_leaves()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("base", Change.To("redis-base"));
        await Host.GivenRolledOutAsync("special", Change.To("redis-special", priority: 10));

        Assert.Equal(("redis-base", true), Host["eu-1"].Newest.Store("base"));
        Assert.Equal(("redis-special", false), Host["eu-1"].Newest.Store("special"));
        var desired = (await Host.GetAsync("/api/v1/runtimes/eu-1/desired-state")).Is(HttpStatusCode.OK);
        Assert.Equal([true, false], desired.Json!["configurations"]!.AsArray().Select(c => c!["components"]![0]!["shadowed"]!.GetValue<bool>()));

        var deleted = (await Host.DeleteAsync("/api/v1/configurations/special")).Is(HttpStatusCode.Accepted);
        await Host.UntilRolloutAsync(deleted.RolloutId, "Succeeded");
        Assert.Equal(["base"], Host["eu-1"].Newest.Configurations());
        Assert.Equal(("redis-base", false), Host["eu-1"].Newest.Store("base"));
    }

    [Fact]
    public async Task Given_equal_priority_Then_the_configuration_that_was_created_first_wins_whatever_its_name()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("zeta", Change.To("redis-first"));
        await Host.GivenRolledOutAsync("alpha", Change.To("redis-second"));

        Assert.False(Host["eu-1"].Newest.Store("zeta").Shadowed);
        Assert.True(Host["eu-1"].Newest.Store("alpha").Shadowed);
    }

    [Fact]
    public async Task Given_a_shadowed_configuration_When_only_its_priority_rises_Then_it_is_sent_and_not_skipped()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("first", Change.To("redis-first"));
        await Host.GivenRolledOutAsync("second", Change.To("redis-second"));

        var rolloutId = await Host.GivenRolledOutAsync("second", Change.To("redis-second", priority: 1));

        Assert.Equal("Applied", await Host.TargetAsync(rolloutId, "eu-1"));
        Assert.True(Host["eu-1"].Newest.Store("first").Shadowed);
        Assert.False(Host["eu-1"].Newest.Store("second").Shadowed);
    }
}
