using System.Text.Json;
using Governor.IntegrationTests.Fleet;
using RabbitMQ.Client;

namespace Governor.IntegrationTests.Crashes;

/// <summary>Directors ended by <c>SIGKILL</c> at points that are seen from outside: in rows, in files.</summary>
public sealed class DirectorCrashTests
{
    private const string Applied = "SELECT count(*) FROM rollout_targets WHERE rollout_id = $1 AND state = 'Applied'";

    /// <summary>The number of the advisory lock that a drift run holds.</summary>
    private const long DriftRun = 0x4452494654;

    [Fact]
    public async Task Given_a_rollout_under_way_When_the_only_director_is_killed_again_and_again_Then_each_runtime_is_written_once()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var director = await RestartedDirector.StartAsync(sandbox);
        await using var fleet = await AgentFleet.StartAsync(sandbox, director.Api, "alone", 30);
        var rolloutId = await director.Api.ChangeAsync("alone", Slowly("https://logs.example/alone", "alone"));

        foreach (var progress in new[] { 3, 12 })
        {
            await rows.WaitForAsync(progress, Applied, Guid.Parse(rolloutId));
            await director.KillAsync();
            Assert.True(await rows.ScalarAsync<long>(Applied, Guid.Parse(rolloutId)) < 30, "The rollout was over before the kill.");
            await director.StartAgainAsync(("Drift__Interval", "00:00:02"));
        }

        await director.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        await fleet.HoldAsync("https://logs.example/alone");
        await EverythingIsToldAsync(rows);
    }

    [Fact]
    public async Task Given_two_directors_and_a_rollout_under_way_When_one_is_killed_Then_the_other_finishes_it()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var one = await RunningDirector.StartAsync(sandbox, ("Drift__Interval", "00:00:02"));
        await using var two = await RunningDirector.StartAsync(sandbox, ("Drift__Interval", "00:00:02"));
        await using var fleet = await AgentFleet.StartAsync(sandbox, one.Api, "pair", 30);
        var rolloutId = await one.Api.ChangeAsync("pair", Slowly("https://logs.example/pair", "pair"));

        await rows.WaitForAsync(5, Applied, Guid.Parse(rolloutId));
        await one.Process.KillAsync();

        await two.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        await fleet.HoldAsync("https://logs.example/pair");
        await EverythingIsToldAsync(rows);
    }

    /// <summary>Where a drift run can be stopped: before it has recorded that it begins, or when it has.</summary>
    [Theory]
    [InlineData("LOCK TABLE drift_runs IN SHARE MODE", "relation", 0)]
    [InlineData("SELECT pg_advisory_xact_lock(%RUN%)", "advisory", 1)]
    public async Task Given_a_director_in_a_drift_run_When_it_is_killed_Then_another_runs_and_the_drift_is_repaired_once(
        string hold, string seenAs, int unfinished)
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        var directors = new Dictionary<string, RunningDirector>(StringComparer.Ordinal);
        foreach (var name in new[] { "first", "second" })
        {
            directors[name] = await RunningDirector.StartAsync(sandbox, ("Drift__Interval", "00:00:03"),
                ("ConnectionStrings__Director", $"{sandbox.Postgres};Application Name={name}"));
        }

        try
        {
            await using var fleet = await AgentFleet.StartAsync(sandbox, directors["first"].Api, "firing", 1);
            await directors["first"].Api.WaitUntilEndedAsync(
                await directors["first"].Api.ChangeAsync("firing", Contents.Logging("https://logs.example/firing", "fleet", "firing")), "Succeeded");
            await fleet.HoldAsync("https://logs.example/firing");

            // The run stops at a lock: there it can be seen, and told which Director it is of.
            string? firing = null;
            await using (await HoldBetweenRunsAsync(rows, hold.Replace("%RUN%", $"{DriftRun}", StringComparison.Ordinal)))
            {
                await Eventually.TrueAsync(
                    async () => (firing = await rows.ScalarAsync<string>(
                        "SELECT application_name FROM pg_stat_activity WHERE datname = $1 AND wait_event = $2 AND application_name <> 'test'",
                        sandbox.Name, seenAs)) is not null,
                    RunningDirector.Patience, "a Director in a drift run");
                Assert.Equal(unfinished, await rows.ScalarAsync<long>("SELECT count(*) FROM drift_runs WHERE finished_at IS NULL"));
                await File.AppendAllTextAsync(fleet.Folders[0].ComponentPath, "# by hand\n", CancellationToken.None);
                await directors[firing!].Process.KillAsync();
            }

            await Eventually.TrueAsync(
                () => !File.ReadAllText(fleet.Folders[0].ComponentPath).Contains("# by hand", StringComparison.Ordinal),
                RunningDirector.Patience, "the file is repaired");
            var other = directors.Single(d => d.Key != firing).Value;
            await Eventually.TrueAsync(
                async () => (await other.Api.GetAsync("/admin/drift")).GetProperty("items").GetArrayLength() == 0,
                RunningDirector.Patience, "the finding is closed");
            await fleet.RepairedOnceAsync();
            await ManyDirectorsTests.OneRunEachAsync(rows, TimeSpan.FromSeconds(3));
        }
        finally
        {
            foreach (var director in directors.Values)
                await director.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("abort", "Aborting", null)]
    [InlineData("rollback", "RollingBack", null)]
    [InlineData("abort", "Aborting", "governor-abort-rollout")]
    [InlineData("rollback", "RollingBack", "governor-roll-back-rollout")]
    public async Task Given_an_action_that_was_written_When_the_director_is_killed_before_the_answer_Then_it_is_carried_out_once(
        string action, string state, string? command)
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var director = await RestartedDirector.StartAsync(sandbox);
        using var folder = new AgentFolder("acted");
        await director.Api.RegisterAsync(["acted"], ("fleet", "acted"));
        await using (var agent = folder.StartAgent(sandbox))
        {
            await director.Api.WaitUntilHeardAsync(["acted"]);
            Assert.Equal(0, await agent.TerminateAsync(RunningDirector.Patience));
        }

        var rolloutId = await director.Api.ChangeAsync("acted", Contents.Logging("https://logs.example/acted", "fleet", "acted"));
        await rows.WaitForAsync(1, "SELECT count(*) FROM rollout_targets WHERE rollout_id = $1 AND state = 'Dispatched'", Guid.Parse(rolloutId));
        var answer = Task.CompletedTask;
        await using (await rows.HoldAsync("SELECT 1 FROM rollouts WHERE rollout_id = $1 FOR NO KEY UPDATE", Guid.Parse(rolloutId)))
        {
            if (command is null)
                answer = director.Api.SendAsync(HttpMethod.Post, $"/admin/rollouts/{rolloutId}/{action}", body: null);
            else
                await PublishAsync(sandbox, command, new { commandId = "once", requestedBy = "test", rolloutId });
            await rows.WaitForAsync(1, "SELECT count(*) FROM rollout_actions WHERE answered_at IS NULL");
            await director.KillAsync();
        }

        if (command is null)
            await Assert.ThrowsAsync<HttpRequestException>(() => answer);
        await director.StartAgainAsync(("Drift__Interval", "00:00:02"));

        await rows.WaitForAsync(1, "SELECT count(*) FROM rollout_actions WHERE accepted AND rollout_state = $1", state);
        var rollout = await director.Api.GetAsync($"/admin/rollouts/{rolloutId}");
        Assert.Equal(state, DirectorApi.Text(rollout, "state"));
        Assert.Single(rollout.GetProperty("timeline").EnumerateArray(), e => DirectorApi.Text(e, "kind").EndsWith("Requested", StringComparison.Ordinal));
        Assert.Equal(action == "rollback" ? 2 : 1, await rows.ScalarAsync<long>("SELECT count(*) FROM rollouts"));
        await using var back = folder.StartAgent(sandbox);
        await director.Api.WaitUntilEndedAsync(rolloutId, action == "rollback" ? "RolledBack" : "Aborted");
    }

    /// <summary>
    /// Holds a lock from a moment at which no run is under way: one that is would be stopped where it ends, not where it begins.
    /// </summary>
    private static async Task<IAsyncDisposable> HoldBetweenRunsAsync(Rows rows, string hold)
    {
        IAsyncDisposable? held = null;
        await Eventually.TrueAsync(
            async () =>
            {
                held = await rows.HoldAsync(hold);
                if (await rows.ScalarAsync<long>("SELECT count(*) FROM drift_runs WHERE finished_at IS NULL") == 0)
                    return true;
                await held.DisposeAsync();
                return false;
            },
            RunningDirector.Patience, "a moment between two drift runs");
        return held!;
    }

    /// <summary>Publishes a command as any AMQP client does.</summary>
    private static async Task PublishAsync(Sandbox sandbox, string command, object body)
    {
        var factory = new ConnectionFactory { Uri = new Uri(sandbox.RabbitMq) };
        await using var connection = await factory.CreateConnectionAsync(CancellationToken.None);
        await using var channel = await connection.CreateChannelAsync(
            new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), CancellationToken.None);
        await channel.BasicPublishAsync(command, routingKey: "", mandatory: true,
            new BasicProperties { ContentType = "application/json", Persistent = true },
            JsonSerializer.SerializeToUtf8Bytes(body), CancellationToken.None);
    }

    /// <summary>A change that takes a while: two runtimes at a time.</summary>
    internal static string Slowly(string url, string fleet) =>
        JsonSerializer.Serialize(JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(Contents.Logging(url, "fleet", fleet))!
            .Append(new("policy", JsonSerializer.SerializeToElement(new { maxConcurrency = 2 }))).ToDictionary(p => p.Key, p => p.Value));

    /// <summary>Nothing waits any more: no row of the outbox, no finding, and the counters equal the targets.</summary>
    internal static async Task EverythingIsToldAsync(Rows rows)
    {
        await Eventually.TrueAsync(
            async () => await rows.ScalarAsync<long>("SELECT count(*) FROM outbox_message") == 0, RunningDirector.Patience, "an empty outbox");
        await Eventually.TrueAsync(
            async () => await rows.ScalarAsync<long>("SELECT count(*) FROM drift_findings") == 0, RunningDirector.Patience, "no finding");
        Assert.Empty(await rows.ColumnAsync<Guid>(
            """
            SELECT w.rollout_id FROM rollout_waves w WHERE
                (SELECT count(*) FROM rollout_targets t WHERE (t.rollout_id, t.wave, t.state) = (w.rollout_id, w.wave, 'Applied')) <> w.applied
                OR (SELECT count(*) FROM rollout_targets t WHERE (t.rollout_id, t.wave) = (w.rollout_id, w.wave))
                    <> w.waiting + w.dispatched + w.applied + w.failed + w.rejected + w.timed_out + w.deferred + w.skipped + w.removed + w.cancelled + w.superseded
            """));
    }
}
