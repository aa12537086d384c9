using System.Net;
using Governor.Contracts;
using Governor.Director.Runtimes;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Runtimes;

public sealed class RegistrationTests : DirectorTests
{
    [Fact]
    public async Task Given_a_new_runtime_When_registered_Then_it_is_created_and_becomes_ready()
    {
        var created = (await Host.RegisterAsync("eu-1")).Is(HttpStatusCode.Created);

        Assert.Equal(("/api/v1/runtimes/eu-1", "\"1\""), (created.Location, created.ETag));
        Assert.Equal(("provisioning", "default", Fleet.Kind), (created.Text("state"), created.Text("tenant"), created.Text("kind")));
        await Eventually.IsTrueAsync(async () => (await Host.GetAsync("/api/v1/runtimes/eu-1")).Text("state") == "ready", "ready");
        Assert.True((await Host.GetAsync("/api/v1/runtimes/eu-1")).Json!["away"]!.GetValue<bool>());
        await Eventually.IsTrueAsync(() => Host.Ear.Of<RuntimeRegistered>().Any(), "the news");
    }

    [Fact]
    public async Task Given_a_registered_runtime_When_registered_again_as_it_is_Then_nothing_changes()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var before = await Host.RuntimeAsync("eu-1");
        Assert.Equal("\"1\"", (await Host.RegisterAsync("eu-1")).Is(HttpStatusCode.OK).ETag);
        Assert.Equal(before.Generation, (await Host.RuntimeAsync("eu-1")).Generation);
    }

    [Fact]
    public async Task Given_a_new_runtime_When_its_Agent_enrols_Then_it_is_sent_the_whole_although_that_is_empty()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Assert.Empty(Assert.Single(Host["eu-1"].Updates).Desired.Configurations);
    }

    [Fact]
    public async Task Given_a_relabelled_runtime_Then_its_version_rises_and_an_older_If_Match_has_lost()
    {
        (await Host.RegisterAsync("eu-1")).Is(HttpStatusCode.Created);

        var changed = (await Host.RegisterAsync("eu-1", new { region = "eu", tier = "gold" }, ("If-Match", "\"1\""))).Is(HttpStatusCode.OK);

        Assert.Equal(("\"2\"", "gold"), (changed.ETag, (string?)changed.Json!["labels"]!["tier"]));
        (await Host.RegisterAsync("eu-1", new { region = "us" }, ("If-Match", "\"1\"")))
            .IsProblem(HttpStatusCode.PreconditionFailed, "precondition-failed", "version 2", "Read it again");
        (await Host.RegisterAsync("eu-1", new { region = "us" }, ("If-None-Match", "*")))
            .IsProblem(HttpStatusCode.PreconditionFailed, "precondition-failed");
        Assert.Equal("\"2\"", (await Host.GetAsync("/api/v1/runtimes/eu-1")).ETag);
    }

    [Fact]
    public async Task Given_a_version_that_is_expected_When_the_runtime_is_not_there_Then_it_is_not_created()
    {
        (await Host.RegisterAsync("eu-1", headers: ("If-Match", "\"1\""))).IsProblem(HttpStatusCode.PreconditionFailed, "precondition-failed");
        (await Host.GetAsync("/api/v1/runtimes/eu-1")).IsProblem(HttpStatusCode.NotFound, "runtime-not-found", "PUT /api/v1/runtimes/eu-1");
        (await Host.RegisterAsync("eu-1", headers: ("If-None-Match", "*"))).Is(HttpStatusCode.Created);
    }

    [Fact]
    public async Task Given_an_id_in_use_When_another_tenant_or_kind_wants_it_Then_it_is_a_conflict()
    {
        (await Host.RegisterAsync("eu-1")).Is(HttpStatusCode.Created);
        (await Host.RegisterAsync("eu-1", headers: ("Tenant", "acme"))).IsProblem(HttpStatusCode.Conflict, "runtime-id-taken", "Choose another");
        (await Host.SendAsync(HttpMethod.Put, "/api/v1/runtimes/eu-1", new { kind = "managed-kyma" }))
            .IsProblem(HttpStatusCode.Conflict, "runtime-kind-fixed", Fleet.Kind, "Deregister it first");
    }

    [Fact]
    public async Task Given_a_fleet_When_listed_by_kind_by_labels_and_by_page_Then_each_that_fits_is_there_once()
    {
        await Host.GivenAwayRuntimesAsync("eu-1", "eu-2", "eu-3", "us-1");
        (await Host.RegisterAsync("eu-2", new { region = "eu", tier = "gold" })).Is(HttpStatusCode.OK);
        (await Host.SendAsync(HttpMethod.Put, "/api/v1/runtimes/cf-1", new { kind = "cloud-foundry" })).Is(HttpStatusCode.Created);

        Assert.Equal(["cf-1"], await ListedAsync("kind=cloud-foundry"));
        Assert.Equal(["eu-1", "eu-2", "eu-3"], await ListedAsync("label=region=eu"));
        Assert.Equal(["eu-2"], await ListedAsync("label=region=eu&label=tier=gold"));
        Assert.Empty(await ListedAsync("label=region=eu&kind=cloud-foundry"));

        var first = (await Host.GetAsync("/api/v1/runtimes?label=region=eu&limit=2")).Is(HttpStatusCode.OK);
        var second = (await Host.GetAsync($"/api/v1/runtimes?label=region=eu&limit=2&cursor={first.Text("nextCursor")}")).Is(HttpStatusCode.OK);
        Assert.Equal(["eu-1", "eu-2", "eu-3"], first.Items.Concat(second.Items).Select(r => (string?)r["runtimeId"]));
        Assert.Null(second.Text("nextCursor"));
    }

    [Fact]
    public async Task Given_a_batch_of_a_thousand_When_registered_Then_all_become_ready_and_a_rollout_defers_them_all()
    {
        var ids = Enumerable.Range(0, 1000).Select(i => $"many-{i:000}").ToList();
        var answer = (await Host.PostAsync("/api/v1/runtimes:batch", new
        {
            runtimes = ids.Select(id => new { runtimeId = id, kind = Fleet.Kind, labels = new { region = "many" } }),
        })).Is(HttpStatusCode.OK);
        Assert.Equal(ids, answer.Items.Select(r => (string?)r["runtimeId"]));
        await Eventually.IsTrueAsync(
            () => Host.ReadAsync(async db => await db.Runtimes.CountAsync(r => r.State == RuntimeState.Ready) == 1000), "all to be ready");

        var rolloutId = await Host.RollOutAsync("cache", Change.ToRegion("redis-a", "many"));

        var rollout = await Host.UntilRolloutAsync(rolloutId, "CompletedWithDeferred");
        Assert.Equal(1000, rollout.Json!["counts"]!["Deferred"]!.GetValue<int>());
        await Eventually.IsTrueAsync(() => Host.ReadAsync(async db => await db.Assignments.CountAsync() == 1000), "the sweep");
        Assert.Equal(1000, (await ListedAsync("limit=1000")).Count);
    }

    [Fact]
    public async Task Given_a_batch_of_which_one_cannot_be_When_registered_Then_none_is()
    {
        (await Host.RegisterAsync("eu-1", headers: ("Tenant", "acme"))).Is(HttpStatusCode.Created);
        (await Host.PostAsync("/api/v1/runtimes:batch", new
        {
            runtimes = new[] { new { runtimeId = "eu-2", kind = Fleet.Kind }, new { runtimeId = "eu-1", kind = Fleet.Kind } },
        })).IsProblem(HttpStatusCode.Conflict, "runtime-id-taken", "eu-1");
        Assert.Empty(await ListedAsync("limit=10"));
    }

    [Fact]
    public async Task Given_what_a_runtime_is_assigned_When_its_desired_state_is_asked_for_Then_it_is_what_its_Agent_was_sent()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.UntilSettledAsync("eu-1");

        var desired = (await Host.GetAsync("/api/v1/runtimes/eu-1/desired-state")).Is(HttpStatusCode.OK);

        var sent = Host["eu-1"].Newest;
        Assert.Equal(sent.Generation, desired.Json!["generation"]!.GetValue<long>());
        Assert.Equal((sent.Desired.Configurations[0].Digest, 1),
            ((string?)desired.Json["configurations"]![0]!["digest"], (int)desired.Json["configurations"]![0]!["revision"]!));
        (await Host.GetAsync("/api/v1/runtimes/eu-9/desired-state")).IsProblem(HttpStatusCode.NotFound, "runtime-not-found");
    }

    private async Task<IReadOnlyList<string?>> ListedAsync(string query) =>
        [.. (await Host.GetAsync($"/api/v1/runtimes?{query}")).Is(HttpStatusCode.OK).Items.Select(r => (string?)r["runtimeId"])];
}
