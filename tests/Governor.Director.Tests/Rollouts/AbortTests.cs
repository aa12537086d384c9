using System.Net;
using Governor.Director.Rollouts;
using Governor.Director.Tests.Hosting;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Director.Tests.Rollouts;

public sealed class AbortTests : DirectorTests
{
    [Fact]
    public async Task Given_a_rollout_under_way_When_aborted_Then_what_waits_is_cancelled_and_it_ends_once_the_rest_is_done()
    {
        var rolloutId = await GivenOneOfTwoDispatchedAsync();

        var answer = (await Host.PostAsync($"/admin/rollouts/{rolloutId}/abort")).Is(HttpStatusCode.OK);

        Assert.Equal(("accepted", "Aborting"), (answer.Text("outcome"), answer.Text("state")));
        Assert.Equal("Cancelled", await Host.TargetAsync(rolloutId, "eu-2"));
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await Host.UntilRolloutAsync(rolloutId, "Aborted");
        Assert.Equal("Applied", await Host.TargetAsync(rolloutId, "eu-1"));
        var read = (await Host.GetAsync($"/admin/rollouts/{rolloutId}/actions/{answer.Text("actionId")}")).Is(HttpStatusCode.OK);
        Assert.Equal(("accepted", "abort", null), (read.Text("outcome"), read.Text("action"), read.Text("reason")));
    }

    [Fact]
    public async Task Given_an_aborting_rollout_When_its_deadline_passes_Then_it_ends()
    {
        var rolloutId = await GivenOneOfTwoDispatchedAsync();
        (await Host.PostAsync($"/admin/rollouts/{rolloutId}/abort")).Is(HttpStatusCode.OK);

        await Host.AdvanceAsync(TimeSpan.FromMinutes(11));

        await Host.UntilRolloutAsync(rolloutId, "Aborted");
        Assert.Equal("Cancelled", await Host.TargetAsync(rolloutId, "eu-1"));
    }

    [Fact]
    public async Task Given_an_aborting_rollout_When_aborted_again_Then_it_is_a_conflict_that_says_so()
    {
        var rolloutId = await GivenOneOfTwoDispatchedAsync();
        (await Host.PostAsync($"/admin/rollouts/{rolloutId}/abort")).Is(HttpStatusCode.OK);
        (await Host.PostAsync($"/admin/rollouts/{rolloutId}/abort")).IsProblem(HttpStatusCode.Conflict, "action-not-possible", "Aborting");
    }

    [Fact]
    public async Task Given_a_rollout_that_nobody_has_woken_When_aborted_Then_it_is_aborted_at_once_and_no_reason_speaks_against_it()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var rolloutId = await Host.GivenSleepingRolloutAsync("cache", 1, "redis-a", "eu-1");

        var answer = (await Host.PostAsync($"/admin/rollouts/{rolloutId}/abort")).Is(HttpStatusCode.OK);

        Assert.Equal(("accepted", "Aborted", null), (answer.Text("outcome"), answer.Text("state"), answer.Text("reason")));
        Assert.Equal("Cancelled", await Host.TargetAsync(rolloutId.ToString(), "eu-1"));
    }

    [Fact]
    public async Task Given_a_final_rollout_When_aborted_Then_it_is_a_conflict_and_the_rollout_stays_as_it_is()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        (await Host.PostAsync($"/admin/rollouts/{rolloutId}/abort")).IsProblem(HttpStatusCode.Conflict, "action-not-possible", "Succeeded");
        Assert.Equal("Succeeded", (await Host.RolloutAsync(rolloutId)).Text("state"));
    }

    [Fact]
    public async Task Given_a_pending_action_When_its_rollout_ends_Then_it_is_refused_with_a_reason()
    {
        var rolloutId = await GivenOneOfTwoDispatchedAsync();
        var actionId = Guid.NewGuid();
        await Host.ChangeAsync(db =>
        {
            db.Actions.Add(new RolloutAction
            {
                ActionId = actionId, RolloutId = Guid.Parse(rolloutId), Kind = "abort", RequestedBy = "me",
                RequestedAt = Host.Clock.GetUtcNow(),
            });
            return Task.CompletedTask;
        });

        Host["eu-2"].IsMute = false;
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));
        await Host.UntilRolloutAsync(rolloutId, "Succeeded");

        var action = (await Host.GetAsync($"/admin/rollouts/{rolloutId}/actions/{actionId}")).Is(HttpStatusCode.OK);
        Assert.Equal(("refused", "Succeeded"), (action.Text("outcome"), action.Text("state")));
        Assert.Contains("ended as Succeeded", action.Text("reason"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_no_answer_for_five_seconds_Then_the_caller_is_told_where_it_will_stand()
    {
        var rolloutId = await GivenOneOfTwoDispatchedAsync();
        await Host.Services.GetRequiredService<IBusControl>().StopAsync(TestContext.Current.CancellationToken);
        var asking = Host.PostAsync($"/admin/rollouts/{rolloutId}/abort");
        await Eventually.IsTrueAsync(() => Host.ReadAsync(db => db.Actions.AnyAsync()), "the action's row");
        Host.Clock.Advance(TimeSpan.FromSeconds(6));

        var answer = (await asking).Is(HttpStatusCode.Accepted);

        var read = (await Host.GetAsync(answer.Location!)).Is(HttpStatusCode.OK);
        Assert.Equal(("pending", "pending", answer.Text("actionId")), (answer.Text("outcome"), read.Text("outcome"), read.Text("actionId")));
    }

    [Theory]
    [InlineData("pause")]
    [InlineData("resume")]
    [InlineData("promote")]
    [InlineData("approve")]
    [InlineData("deny")]
    [InlineData("retry")]
    public async Task Given_an_action_that_is_to_come_Then_it_is_refused_and_never_ignored(string action)
    {
        await Host.GivenRuntimesAsync("eu-1");
        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        (await Host.PostAsync($"/admin/rollouts/{rolloutId}/{action}")).IsProblem(HttpStatusCode.UnprocessableEntity, "not-implemented", action);
        (await Host.PostAsync($"/admin/rollouts/{Guid.NewGuid()}/{action}")).IsProblem(HttpStatusCode.NotFound, "rollout-not-found");
    }

    private async Task<string> GivenOneOfTwoDispatchedAsync()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxConcurrency = 1 }));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        await Eventually.IsTrueAsync(() => Host["eu-1"].Newest.Configurations().Any(), "the message");
        return rolloutId;
    }
}
