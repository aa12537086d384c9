using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Governor.Contracts;
using Governor.Director.Commands;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Director.Tests.Commands;

public sealed class CommandTests : DirectorTests
{
    private const string UpdateQueue = "governor-update-configuration";

    [Fact]
    public async Task Given_runtimes_When_a_configuration_is_updated_by_command_Then_the_rollout_is_that_of_the_PUT()
    {
        await Host.GivenRuntimesAsync("eu-1", "us-1");

        var accepted = (await Host.CommandAsync(Update("c-1", "redis-a", region: "eu"))).IsAccepted();

        Assert.Equal(("c-1", "cache", 1), (accepted.CommandId, accepted.Configuration, accepted.Revision));
        var rollout = await Host.UntilRolloutAsync(accepted.RolloutId!, "Succeeded");
        Assert.Equal("billing", rollout.Text("requestedBy"));
        Assert.Equal(new Dictionary<string, string> { ["eu-1"] = "Applied" }, await Host.TargetsAsync(accepted.RolloutId!));
        var same = (await Host.PutAsync("cache", Change.ToRegion("redis-a", "eu"))).Is(HttpStatusCode.OK);
        Assert.Equal(1, same.Number("revision"));
    }

    [Fact]
    public async Task Given_an_accepted_command_When_it_comes_again_Then_nothing_is_started_and_the_answer_is_the_same()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var first = (await Host.CommandAsync(Update("c-1", "redis-a"))).IsAccepted();
        (await Host.CommandAsync(Update("c-2", "redis-b"))).IsAccepted();

        Assert.Equal(first, (await Host.CommandAsync(Update("c-1", "redis-a"))).IsAccepted());

        Assert.Equal(2, await Host.ReadAsync(db => db.Rollouts.CountAsync()));
        Assert.Equal(2, await Host.ReadAsync(db => db.Revisions.CountAsync()));
    }

    [Fact]
    public async Task Given_an_accepted_command_When_its_id_comes_with_other_content_Then_it_is_rejected_and_changes_nothing()
    {
        await Host.GivenRuntimesAsync("eu-1");
        (await Host.CommandAsync(Update("c-1", "redis-a"))).IsAccepted();

        (await Host.CommandAsync(Update("c-1", "redis-b"))).IsRejected("command-id-reused");
        (await Host.CommandAsync(new DeleteConfiguration("c-1", "billing", "cache"))).IsRejected("command-id-reused");

        Assert.Equal(1, await Host.ReadAsync(db => db.Rollouts.CountAsync()));
    }

    [Fact]
    public async Task Given_a_command_id_of_one_tenant_When_another_uses_it_Then_it_is_another_command()
    {
        var theirs = new RegisterRuntime("c-1", "billing", "their-1", Fleet.Kind, Tenant: "other");
        (await Host.CommandAsync(theirs)).IsAccepted();
        (await Host.CommandAsync(new RegisterRuntime("c-1", "billing", "our-1", Fleet.Kind))).IsAccepted();

        Assert.Equal(["default/our-1", "other/their-1"], await Host.ReadAsync(db =>
            db.Runtimes.OrderBy(r => r.RuntimeId).Select(r => r.Tenant + "/" + r.RuntimeId).ToListAsync()));
    }

    [Fact]
    public async Task Given_the_same_command_many_times_at_once_Then_it_is_carried_out_once_and_all_get_its_answer()
    {
        await Host.GivenRuntimesAsync("eu-1");

        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Host.CommandAsync(Update("c-1", "redis-a"))));

        Assert.Single(answers.Select(a => a.IsAccepted()).Distinct());
        Assert.Equal(1, await Host.ReadAsync(db => db.Rollouts.CountAsync()));
    }

    [Fact]
    public async Task Given_a_refused_command_When_its_reason_is_gone_Then_the_same_command_is_answered_as_before_and_another_one_is_done()
    {
        (await Host.CommandAsync(Update("c-1", "redis-a"))).IsRejected("no-matching-runtime");
        await Host.GivenRuntimesAsync("eu-1");

        (await Host.CommandAsync(Update("c-1", "redis-a"))).IsRejected("no-matching-runtime");
        (await Host.CommandAsync(Update("c-2", "redis-a"))).IsAccepted();

        Assert.Equal(1, await Host.ReadAsync(db => db.Revisions.CountAsync()));
    }

    [Fact]
    public async Task Given_an_expected_revision_When_it_is_not_the_newest_Then_the_command_is_rejected()
    {
        await Host.GivenRuntimesAsync("eu-1");
        (await Host.CommandAsync(Update("c-1", "redis-a") with { ExpectedRevision = 1 })).IsRejected("precondition-failed");
        (await Host.CommandAsync(Update("c-2", "redis-a") with { ExpectedRevision = 0 })).IsAccepted();
        (await Host.CommandAsync(Update("c-3", "redis-b") with { ExpectedRevision = 0 })).IsRejected("precondition-failed");
        (await Host.CommandAsync(Update("c-4", "redis-b") with { ExpectedRevision = 1 })).IsAccepted();
        (await Host.CommandAsync(new DeleteConfiguration("c-5", "billing", "cache", ExpectedRevision: 1))).IsRejected("precondition-failed");
        Assert.Equal(3, (await Host.CommandAsync(new DeleteConfiguration("c-6", "billing", "cache", ExpectedRevision: 2))).IsAccepted().Revision);
    }

    [Fact]
    public async Task Given_a_runtime_registered_by_command_When_deregistered_by_command_Then_it_goes()
    {
        var labels = new Dictionary<string, string> { ["region"] = "eu" };
        Assert.Equal("eu-1", (await Host.CommandAsync(new RegisterRuntime("c-1", "billing", "eu-1", Fleet.Kind, labels))).IsAccepted().RuntimeId);
        Assert.Equal("eu", (await Host.GetAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.OK).Json!["labels"]!["region"]!.GetValue<string>());

        (await Host.CommandAsync(new RegisterRuntime("c-2", "billing", "eu-1", "managed-kyma"))).IsRejected("runtime-kind-fixed");
        (await Host.CommandAsync(new DeregisterRuntime("c-3", "billing", "eu-1", Force: true))).IsAccepted();

        (await Host.GetAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.NotFound);
        (await Host.CommandAsync(new DeregisterRuntime("c-4", "billing", "eu-1"))).IsRejected("runtime-not-found");
    }

    [Fact]
    public async Task Given_an_open_rollout_When_it_is_aborted_by_command_Then_the_answer_names_the_action_and_the_rollout_ends()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");

        var accepted = (await Host.CommandAsync(new AbortRollout("c-1", "billing", rolloutId))).IsAccepted();

        Assert.Equal(rolloutId, accepted.RolloutId);
        await Host.UntilRolloutAsync(rolloutId, "Aborting");
        var action = (await Host.GetAsync($"/admin/rollouts/{rolloutId}/actions/{accepted.ActionId}")).Is(HttpStatusCode.OK);
        Assert.Equal(("abort", "billing"), (action.Text("action"), action.Text("requestedBy")));
        Assert.Equal(accepted, (await Host.CommandAsync(new AbortRollout("c-1", "billing", rolloutId))).IsAccepted());
        Assert.Equal(1, await Host.ReadAsync(db => db.Actions.CountAsync()));
    }

    [Fact]
    public async Task Given_an_open_rollout_When_it_is_rolled_back_by_command_Then_what_was_there_before_comes_back()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-b", policy: new { maxConcurrency = 1 }));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");

        var accepted = (await Host.CommandAsync(new RollBackRollout("c-1", "billing", rolloutId))).IsAccepted();

        Assert.Equal(rolloutId, accepted.RolloutId);
        await Eventually.IsTrueAsync(
            async () => (await Host.GetAsync($"/admin/rollouts/{rolloutId}/actions/{accepted.ActionId}")).Text("outcome") != "pending",
            "the saga's answer");
        Host["eu-1"].IsMute = false;
        // Whether the rollback has reached it already or not.
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        var rollout = await Host.UntilRolloutAsync(rolloutId, "RolledBack");
        Assert.Contains("billing", rollout.Text("reason"), StringComparison.Ordinal);
        await Host.UntilRolloutAsync(rollout.Text("rolledBackBy")!, "Succeeded");
    }

    [Fact]
    public async Task Given_an_action_that_no_rollout_can_take_Then_the_command_is_rejected_and_is_no_dead_letter()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));

        (await Host.CommandAsync(new AbortRollout("c-1", "billing", "nonsense"))).IsRejected("rollout-not-found");
        (await Host.CommandAsync(new RollBackRollout("c-2", "billing", Guid.NewGuid().ToString()))).IsRejected("rollout-not-found");
        (await Host.CommandAsync(new AbortRollout("c-3", "billing", rolloutId, Tenant: "other"))).IsRejected("rollout-not-found");
        Assert.Contains("Succeeded",
            (await Host.CommandAsync(new RollBackRollout("c-4", "billing", rolloutId))).IsRejected("action-not-possible").Detail,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_a_command_with_several_mistakes_Then_the_rejection_names_each_field()
    {
        var command = Update("c-1", "redis-a").ToJson();
        command["requestedBy"] = 5;
        command["name"] = "Not A Name";
        command["components"]![0]!["type"] = new JsonArray();
        command["colour"] = "red";

        var rejected = (await Host.CommandAsync(UpdateQueue, command))
            .IsRejected("unknown-field", "colour", "requestedBy", "name", "components[0].type");

        Assert.Equal("c-1", rejected.CommandId);
        Assert.False(await Host.ReadAsync(db => db.Commands.AnyAsync()));
    }

    [Theory]
    [InlineData("commandId", "7", "invalid-field")]
    [InlineData("commandId", "\"\"", "invalid-command-id")]
    [InlineData("commandId", "\"\\u0000\"", "invalid-command-id")]
    [InlineData("commandId", null, "missing-field")]
    [InlineData("requestedBy", "\"a\\u0000b\"", "invalid-field")]
    [InlineData("requestedBy", null, "missing-field")]
    [InlineData("tenant", "\"No Tenant\"", "invalid-name")]
    [InlineData("tenant", "null", "invalid-field")]
    [InlineData("name", "null", "invalid-field")]
    [InlineData("expectedRevision", "-1", "invalid-field")]
    [InlineData("expectedRevision", "\"1\"", "invalid-field")]
    [InlineData("components", "{}", "invalid-field")]
    [InlineData("target", null, "missing-field")]
    [InlineData("policy", "[]", "invalid-field")]
    public async Task Given_a_field_that_is_wrong_Then_the_rejection_names_it(string field, string? value, string code)
    {
        var command = Update("c-1", "redis-a").ToJson();
        command.Remove(field);
        if (value is not null)
            command[field] = JsonNode.Parse(value);

        (await Host.CommandAsync(UpdateQueue, command)).IsRejected(code, field);
    }

    [Fact]
    public async Task Given_a_runtime_with_a_wrong_kind_and_label_Then_the_rejection_names_the_fields()
    {
        (await Host.CommandAsync(new RegisterRuntime("c-1", "billing", "eu-1", "spaceship"))).IsRejected("invalid-field", "kind");
        (await Host.CommandAsync(new RegisterRuntime("c-2", "billing", "EU", Fleet.Kind))).IsRejected("invalid-name", "runtimeId");
        (await Host.CommandAsync("governor-register-runtime", new JsonObject
        {
            ["commandId"] = "c-3", ["requestedBy"] = "billing", ["runtimeId"] = "eu-1", ["kind"] = Fleet.Kind,
            ["labels"] = new JsonObject { ["region"] = 7 },
        })).IsRejected("invalid-field", "labels.region");
    }

    [Fact]
    public async Task Given_old_commands_When_a_week_has_passed_Then_they_are_forgotten()
    {
        (await Host.CommandAsync(new RegisterRuntime("c-1", "billing", "eu-1", Fleet.Kind))).IsAccepted();

        Host.Clock.Advance(TimeSpan.FromDays(7) - TimeSpan.FromHours(1));
        (await Host.CommandAsync(new RegisterRuntime("c-2", "billing", "eu-2", Fleet.Kind))).IsAccepted();
        Host.Clock.Advance(TimeSpan.FromHours(2));
        using var retention = ActivatorUtilities.CreateInstance<CommandRetention>(Host.Services);
        await retention.StartAsync(TestContext.Current.CancellationToken);

        await Eventually.IsTrueAsync(async () => await Host.ReadAsync(db => db.Commands.CountAsync()) == 1, "one command is forgotten");
        Assert.Equal("c-2", await Host.ReadAsync(db => db.Commands.Select(c => c.CommandId).SingleAsync()));
        await retention.StopAsync(TestContext.Current.CancellationToken);
    }

    private static UpdateConfiguration Update(string commandId, string host, string? region = null) => new(
        commandId, "billing", "cache",
        [new ComponentDefinition("store", "state.redis", Metadata: [new ComponentSetting("redisHost", JsonSerializer.SerializeToElement(host))])],
        region is null ? new ConfigurationTarget() : new ConfigurationTarget(MatchLabels: new Dictionary<string, string> { ["region"] = region }));
}
