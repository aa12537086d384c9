using Governor.IntegrationTests.Crashes;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Events;

/// <summary>A Director ended by <c>SIGKILL</c> when an event is on the wire and still in the outbox: it must go again.</summary>
public sealed class RepeatedEventTests
{
    private const string Fleet = "repeated";

    /// <summary>Number of the advisory lock that the test's trigger waits for.</summary>
    private const long Forgetting = 4711;

    /// <summary>The outbox forgets an event of a rollout only while the test lets it: from outside, as a slow database would.</summary>
    private static readonly string Trigger =
        $$"""
        CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock_shared({{Forgetting}}); RETURN OLD; END';
        CREATE TRIGGER wait_for_test BEFORE DELETE ON outbox_message FOR EACH ROW
            WHEN (OLD.message_type ~ 'rollout-started|wave-completed|rollout-completed') EXECUTE FUNCTION wait_for_test();
        """;

    [Fact]
    public async Task Given_events_on_the_wire_When_the_director_is_killed_before_it_notes_that_Then_they_come_again_with_the_same_id()
    {
        string[] ids = [.. Enumerable.Range(1, 6).Select(n => $"{Fleet}-{n}")];
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var director = await RestartedDirector.StartAsync(sandbox);
        await using var subscriber = await ForeignSubscriber.StartAsync(sandbox.RabbitMq);
        await director.Api.RegisterAsync(ids, ("fleet", Fleet));
        await director.Api.WaitUntilProvisionedAsync(ids);
        await using var fleet = await SimulatedFleet.StartAsync(sandbox.RabbitMq, ids);
        await director.Api.WaitUntilHeardAsync(ids);
        await rows.ScalarAsync<object>(Trigger);
        SetSilent(fleet, silent: true);

        string rolloutId;
        await using (await rows.HoldAsync("SELECT pg_advisory_xact_lock($1)", Forgetting))
        {
            rolloutId = await director.Api.ChangeAsync(Fleet, DirectorCrashTests.Slowly("https://logs.example/repeated", Fleet));
            await WaitUntilToldAsync(subscriber, 1, Started(rolloutId));
            await director.KillAsync();
        }

        await director.StartAgainAsync();
        await WaitUntilToldAsync(subscriber, 2, Started(rolloutId));

        await using (await rows.HoldAsync("SELECT pg_advisory_xact_lock($1)", Forgetting))
        {
            SetSilent(fleet, silent: false);
            await Task.WhenAll(ids.Select(fleet.ReportAsync));
            await WaitUntilToldAsync(subscriber, 1, Completed(rolloutId));
            await director.KillAsync();
        }

        await director.StartAgainAsync();
        await WaitUntilToldAsync(subscriber, 2, Completed(rolloutId));

        await director.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        await OncePerFact.AssertAsync(subscriber, rows, [Started(rolloutId), .. Completed(rolloutId),
            .. ids.Select(id => new Fact("governor.runtime-registered", ("runtimeId", id)))]);
        Assert.Empty(fleet.Failures);
    }

    private static Fact Started(string rolloutId) => new("governor.rollout-started", ("rolloutId", rolloutId));

    private static Fact[] Completed(string rolloutId) =>
        [new("governor.wave-completed", ("rolloutId", rolloutId)), new("governor.rollout-completed", ("rolloutId", rolloutId))];

    private static void SetSilent(SimulatedFleet fleet, bool silent)
    {
        foreach (var agent in fleet.Agents.Values)
            agent.Silent = silent;
    }

    private static Task WaitUntilToldAsync(ForeignSubscriber subscriber, int times, params Fact[] facts) => Eventually.TrueAsync(
        () => Task.FromResult(facts.All(fact => fact.In(subscriber).Count >= times)), RunningDirector.Patience,
        () => $"told {times} time(s) over the wire: {string.Join("; ", facts.Select(fact => $"{fact} {fact.In(subscriber).Count}"))}");
}
