using System.Net;
using Governor.Contracts;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Rollouts;

public sealed class ChangeTests : DirectorTests
{
    [Fact]
    public async Task Given_runtimes_that_match_When_a_configuration_is_put_Then_its_rollout_succeeds_and_each_holds_it()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2", "us-1");

        var answer = (await Host.PutAsync("cache", Change.ToRegion("redis-a", "eu"))).Is(HttpStatusCode.Accepted);

        Assert.Equal($"/admin/rollouts/{answer.RolloutId}", answer.Location);
        Assert.Equal((1, "\"1\""), (answer.Number("revision"), answer.ETag));
        var rollout = await Host.UntilRolloutAsync(answer.RolloutId, "Succeeded");
        Assert.Equal(2, rollout.Json!["counts"]!["Applied"]!.GetValue<int>());
        Assert.Equal(["Planned", "Started", "WaveCompleted", "Succeeded"],
            rollout.Json["timeline"]!.AsArray().Select(entry => entry!["kind"]!.ToString()));
        Assert.Equal(["eu-1", "eu-2"], (await Host.TargetsAsync(answer.RolloutId)).Keys.Order(StringComparer.Ordinal));
        Assert.Equal(("redis-a", false), Host["eu-1"].Newest.Store("cache"));
        Assert.Equal((answer.RolloutId, "cache", 1),
            (Host["eu-1"].Newest.RolloutId, Host["eu-1"].Newest.Configuration, Host["eu-1"].Newest.Revision));
        Assert.Empty(Host["us-1"].Newest.Desired.Configurations);
    }

    [Fact]
    public async Task Given_a_rollout_that_ends_well_Then_everybody_is_told_of_its_start_its_wave_and_its_end()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));

        await Eventually.IsTrueAsync(() => Host.Ear.Of<RolloutCompleted>().Any(), "the end to be told");
        var completed = Assert.Single(Host.Ear.Of<RolloutCompleted>());
        Assert.Equal((rolloutId, "cache", 1, "Succeeded"),
            (completed.RolloutId, completed.Configuration, completed.Revision, completed.State));
        Assert.Equal(1, Assert.Single(Host.Ear.Of<RolloutStarted>()).Targets);
        Assert.Equal(1, Assert.Single(Host.Ear.Of<WaveCompleted>()).Counts["Applied"]);
        Assert.Equal("eu-1", Assert.Single(Host.Ear.Of<RuntimeRegistered>()).RuntimeId);
    }

    [Fact]
    public async Task Given_a_stable_revision_When_the_same_content_is_put_Then_there_is_no_rollout_and_nothing_is_sent()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        var sent = Host["eu-1"].Updates.Count;

        var again = (await Host.PutAsync("cache", Change.To("redis-a"))).Is(HttpStatusCode.OK);

        Assert.Equal((1, null), (again.Number("revision"), again.Text("rolloutId")));
        Assert.Single((await Host.GetAsync("/admin/rollouts")).Items);
        Assert.Equal(sent, Host["eu-1"].Updates.Count);
    }

    [Fact]
    public async Task Given_a_rollout_under_way_When_the_same_content_is_put_Then_it_goes_on_undisturbed()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        (await Host.PutAsync("cache", Change.To("redis-a"))).Is(HttpStatusCode.OK);
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
    }

    [Fact]
    public async Task Given_a_revision_that_failed_When_the_same_content_is_put_Then_it_is_a_new_revision()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].Fails("cache");
        await Host.UntilRolloutAsync(await Host.RollOutAsync("cache", Change.To("redis-a")), "Failed");
        Host["eu-1"].AppliesAgain();

        var again = (await Host.PutAsync("cache", Change.To("redis-a"))).Is(HttpStatusCode.Accepted);

        Assert.Equal(2, again.Number("revision"));
        await Host.UntilRolloutAsync(again.RolloutId, "Succeeded");
    }

    [Fact]
    public async Task Given_a_revision_When_changed_content_is_put_Then_the_next_revision_replaces_it_everywhere()
    {
        await Host.GivenRuntimesAsync("eu-1", "us-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));

        var second = (await Host.PutAsync("cache", Change.To("redis-b"), ("If-Match", "\"1\""))).Is(HttpStatusCode.Accepted);

        Assert.Equal(2, second.Number("revision"));
        await Host.UntilRolloutAsync(second.RolloutId, "Succeeded");
        Assert.All(["eu-1", "us-1"], id => Assert.Equal(("redis-b", false), Host[id].Newest.Store("cache")));
        Assert.Equal([second.RolloutId], (await Host.GetAsync("/admin/rollouts?limit=1")).Items.Select(r => (string?)r["rolloutId"]));
    }

    [Fact]
    public async Task Given_a_deleted_configuration_Then_every_runtime_loses_it_and_a_new_one_goes_on_counting()
    {
        await Host.GivenRuntimesAsync("eu-1", "us-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.GivenRolledOutAsync("other", Change.To("redis-o", component: "other"));

        var deleted = (await Host.DeleteAsync("/api/v1/configurations/cache")).Is(HttpStatusCode.Accepted);
        Assert.Equal(2, deleted.Number("revision"));
        await Host.UntilRolloutAsync(deleted.RolloutId, "Succeeded");
        Assert.All(["eu-1", "us-1"], id => Assert.Equal(["other"], Host[id].Newest.Configurations()));
        var tombstone = (await Host.GetAsync("/api/v1/configurations/cache")).Is(HttpStatusCode.OK);
        Assert.True(tombstone.Json!["deleted"]!.GetValue<bool>());
        (await Host.DeleteAsync("/api/v1/configurations/cache")).Is(HttpStatusCode.OK);

        var again = (await Host.PutAsync("cache", Change.To("redis-a"))).Is(HttpStatusCode.Accepted);
        Assert.Equal(3, again.Number("revision"));
        await Host.UntilRolloutAsync(again.RolloutId, "Succeeded");
        Assert.Equal(["cache", "other"], Host["eu-1"].Newest.Configurations());
    }

    [Fact]
    public async Task Given_a_rollout_on_its_way_When_its_configuration_is_deleted_Then_what_was_dispatched_is_taken_back()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true;
        var first = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(first, "eu-1", "Dispatched");

        var second = (await Host.DeleteAsync("/api/v1/configurations/cache")).Is(HttpStatusCode.Accepted).RolloutId;
        await Host.UntilTargetAsync(second, "eu-1", "Dispatched");
        await Host.UntilRolloutAsync(first, "Superseded");
        await Eventually.IsTrueAsync(() => !Host["eu-1"].Newest.Configurations().Any(), "the message without it");
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await Host.UntilRolloutAsync(second, "Succeeded");
        Assert.Empty(await Host.AssignedAsync("eu-1"));
    }

    [Fact]
    public async Task Given_a_change_for_nobody_When_empty_is_allowed_Then_it_succeeds_at_once()
    {
        var answer = (await Host.PutAsync("cache", Change.ToRegion("redis-a", "mars").With("allowEmpty", true)))
            .Is(HttpStatusCode.Accepted);
        await Host.UntilRolloutAsync(answer.RolloutId, "Succeeded");
    }

    [Fact]
    public async Task Given_configurations_of_two_tenants_Then_neither_sees_nor_gets_the_other_ones()
    {
        await Host.GivenRuntimesAsync("eu-1");
        (await Host.RegisterAsync("eu-2", headers: ("Tenant", "acme"))).Is(HttpStatusCode.Created);
        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));

        Assert.Equal(["eu-1"], (await Host.TargetsAsync(rolloutId)).Keys);
        (await Host.GetAsync("/api/v1/configurations/cache", ("Tenant", "acme"))).IsProblem(HttpStatusCode.NotFound, "configuration-not-found");
        (await Host.GetAsync($"/admin/rollouts/{rolloutId}", ("Tenant", "acme"))).IsProblem(HttpStatusCode.NotFound, "rollout-not-found");
        (await Host.GetAsync("/api/v1/runtimes/eu-1", ("Tenant", "acme"))).IsProblem(HttpStatusCode.NotFound, "runtime-not-found");
        Assert.Empty((await Host.GetAsync("/admin/rollouts", ("Tenant", "acme"))).Items);
        (await Host.PutAsync("cache", Change.To("redis-b"), ("Tenant", "acme"))).Is(HttpStatusCode.Accepted);
        Assert.Equal(["eu-1"], (await Host.TargetsAsync(rolloutId)).Keys);
    }
}
