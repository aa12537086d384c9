using Governor.Contracts;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using Governor.Director.Tests.Hosting;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Director.Tests.Runtimes;

public sealed class UndeliverableTests : DirectorTests
{
    [Fact]
    public async Task Given_a_dispatched_target_When_its_message_found_no_queue_Then_it_is_deferred_provisioned_and_dispatched_again_at_once()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].LosesMessages = true;
        Host["eu-2"].LosesMessages = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Dispatched");
        var lost = await Host.RuntimeAsync("eu-1");
        Host["eu-1"].LosesMessages = false;

        await SendUndeliverableAsync(new ConfigurationUpdated("eu-1", lost.Generation, new DesiredState([], []), rolloutId, "cache", 1));

        await Host.UntilTargetAsync(rolloutId, "eu-1", "Applied");
        await Host.UntilSettledAsync("eu-1");
        Assert.Equal("Dispatched", await Host.TargetAsync(rolloutId, "eu-2"));
        Assert.Equal("Progressing", (await Host.RolloutAsync(rolloutId)).Text("state"));
    }

    [Fact]
    public async Task Given_a_rollout_that_waits_for_nobody_When_a_message_found_no_queue_Then_it_ends_and_the_runtime_is_sent_the_whole_at_once()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].LosesMessages = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        var lost = await Host.RuntimeAsync("eu-1");
        Host["eu-1"].LosesMessages = false;

        await SendUndeliverableAsync(new ConfigurationUpdated("eu-1", lost.Generation, new DesiredState([], []), rolloutId, "cache", 1));

        await Host.UntilTargetAsync(rolloutId, "eu-1", "Applied");
        await Host.UntilSettledAsync("eu-1");
        await Eventually.IsTrueAsync(async () => (await Host.RolloutAsync(rolloutId)).Text("endedAt") is not null, "the rollout to have ended");
    }

    [Fact]
    public async Task Given_a_target_that_was_sent_again_since_or_a_request_for_a_report_When_the_late_message_found_no_queue_Then_it_stays_dispatched()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].LosesMessages = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        var generation = (await Host.RuntimeAsync("eu-1")).Generation;

        await HandleAsync(("eu-1", generation - 1));
        await HandleAsync(("eu-1", Undeliverable.NoGeneration));
        await HandleAsync(("nobody", generation));

        Assert.Equal("Dispatched", await Host.TargetAsync(rolloutId, "eu-1"));
        Assert.Equal(generation, (await Host.RuntimeAsync("eu-1")).Generation);
    }

    [Fact]
    public async Task Given_messages_of_all_kinds_for_known_and_unknown_runtimes_When_they_found_no_queue_Then_each_is_taken_and_none_is_a_dead_letter()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].LosesMessages = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        var sent = (await Host.RuntimeAsync("eu-1")).SentGeneration;

        await SendUndeliverableAsync(new ReportRequested("unknown", 1));
        await SendUndeliverableAsync(new ReportRequested("Not An Id", 1));
        await SendUndeliverableAsync(new CredentialRotated("eu-1", sent, new DesiredState([], [])));

        await Host.UntilRuntimeAsync("eu-1", r => r.SentGeneration > sent, "sent to again");
    }

    [Fact]
    public async Task Given_a_target_of_a_rollout_that_has_ended_When_its_message_found_no_queue_Then_nothing_of_the_rollout_changes()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].LosesMessages = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        var generation = (await Host.RuntimeAsync("eu-1")).Generation;
        var before = await Host.ReadAsync(db => db.Targets.AsNoTracking().SingleAsync());
        await Host.ChangeAsync(db => db.Rollouts.ExecuteUpdateAsync(set => set.SetProperty(r => r.EndedAt, Host.Clock.GetUtcNow())));

        await HandleAsync(("eu-1", generation));

        var after = await Host.ReadAsync(db => db.Targets.AsNoTracking().SingleAsync());
        Assert.Equal((TargetState.Dispatched, before.ChangedAt), (after.State, after.ChangedAt));
    }

    private async Task SendUndeliverableAsync<T>(T message)
        where T : class
    {
        var queue = await Host.Services.GetRequiredService<IBus>().GetSendEndpoint(new Uri($"queue:{UndeliverableConsumer.Queue}"));
        await queue.Send(message, TestContext.Current.CancellationToken);
    }

    private Task HandleAsync(params (string RuntimeId, long Generation)[] messages) => Host.InScopeAsync(services =>
        services.GetRequiredService<Undeliverable>().HandleAsync(
            messages.ToDictionary(m => m.RuntimeId, m => m.Generation, StringComparer.Ordinal), TestContext.Current.CancellationToken));
}
