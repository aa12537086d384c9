using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Crashes;

/// <summary>What carries the fleet is taken away in the middle of a rollout: the database, the broker's content, a queue.</summary>
public sealed class OutageTests
{
    private const string Applied = "SELECT count(*) FROM rollout_targets WHERE rollout_id = $1 AND state = 'Applied'";

    private static readonly (string, string?)[] Soon = [("Drift__Interval", "00:00:02"), ("Delivery__Deadline", "00:00:05")];

    [Fact]
    public async Task Given_a_rollout_under_way_When_the_database_ends_and_starts_again_Then_each_runtime_is_written_once()
    {
        await using var postgres = await PrivatePostgres.StartNewAsync();
        await using var sandbox = await Sandbox.CreateAsync(postgres: postgres.ConnectionString);
        await using var rows = Rows.Of(sandbox);
        await using var director = await RunningDirector.StartAsync(sandbox, Soon);
        await using var fleet = await AgentFleet.StartAsync(sandbox, director.Api, "stored", 20);
        var rolloutId = await director.Api.ChangeAsync("stored", DirectorCrashTests.Slowly("https://logs.example/stored", "stored"));

        await rows.WaitForAsync(4, Applied, Guid.Parse(rolloutId));
        await postgres.StopAsync(); // ends every session at once
        await Eventually.TrueAsync(
            async () => !(await director.Api.ReadyAsync()).Ready, RunningDirector.Patience, "the Director says that it misses its database");
        await postgres.StartAsync();

        await director.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        await fleet.HoldAsync("https://logs.example/stored");
        await DirectorCrashTests.EverythingIsToldAsync(rows);
        Assert.Equal(0, await rows.ScalarAsync<long>("SELECT count(*) FROM dead_letters"));
    }

    [Fact]
    public async Task Given_a_rollout_under_way_When_the_broker_is_wiped_Then_everything_on_it_is_made_again_and_each_runtime_is_written_once()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var director = await RunningDirector.StartAsync(sandbox, Soon);
        await using var fleet = await AgentFleet.StartAsync(sandbox, director.Api, "wiped", 12);
        var rolloutId = await director.Api.ChangeAsync("wiped", DirectorCrashTests.Slowly("https://logs.example/wiped", "wiped"));

        await rows.WaitForAsync(3, Applied, Guid.Parse(rolloutId));
        await sandbox.Management.DeleteVirtualHostAsync(sandbox.Name);
        Assert.True(await rows.ScalarAsync<long>(Applied, Guid.Parse(rolloutId)) < 12, "The rollout was over before the wipe.");
        await sandbox.Management.CreateVirtualHostAsync(sandbox.Name);

        // Whom a message could not reach counts as away until it is heard again, and is served then, even after the end.
        await rows.WaitForAsync(12, Applied, Guid.Parse(rolloutId));
        await fleet.HoldAsync("https://logs.example/wiped");
        await DirectorCrashTests.EverythingIsToldAsync(rows);

        // And who had no part in the rollout is reached again too.
        await director.Api.WaitUntilEndedAsync(
            await director.Api.ChangeAsync("wiped", Contents.Logging("https://logs.example/after", "fleet", "wiped")), "Succeeded");
    }

    [Fact]
    public async Task Given_a_queue_that_was_deleted_under_its_agent_When_the_next_message_finds_none_Then_it_is_made_again_and_the_message_comes()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var director = await RunningDirector.StartAsync(sandbox);
        await using var fleet = await AgentFleet.StartAsync(sandbox, director.Api, "unbound", 1);

        await sandbox.Management.DeleteQueueAsync(sandbox.Name, "runtime-unbound-1");
        await Eventually.TrueAsync(
            async () => (await sandbox.Management.QueuesAsync(sandbox.Name)).Contains("runtime-unbound-1"),
            RunningDirector.Patience, "the Agent has made its queue again, unbound");
        var rolloutId = await director.Api.ChangeAsync("unbound", Contents.Logging("https://logs.example/unbound", "fleet", "unbound"));

        // Nothing waited for it: its target was deferred until the queue was there, and then served.
        await Eventually.TrueAsync(
            async () => await director.Api.TargetStateAsync(rolloutId, "unbound-1") == "Applied", RunningDirector.Patience, "it is applied");
        await fleet.HoldAsync("https://logs.example/unbound");
        Assert.Contains("found no queue", director.Process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_a_queue_that_was_deleted_with_what_waited_in_it_When_the_next_message_comes_Then_what_was_missed_is_delivered()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var director = await RunningDirector.StartAsync(sandbox);
        using var folder = new AgentFolder("emptied");
        await director.Api.RegisterAsync(["emptied"], ("fleet", "emptied"));
        await using (var before = folder.StartAgent(sandbox))
        {
            await director.Api.WaitUntilHeardAsync(["emptied"]);
            Assert.Equal(0, await before.TerminateAsync(RunningDirector.Patience));
        }

        var missed = await director.Api.ChangeAsync("emptied", Contents.Logging("https://logs.example/missed", "fleet", "emptied"));
        await Eventually.TrueAsync(
            async () => (await sandbox.Management.GetAsync($"queues/{sandbox.Name}/runtime-emptied")).TryGetProperty("messages", out var n) && n.GetInt32() > 0,
            RunningDirector.Patience, "the message waits");
        await sandbox.Management.DeleteQueueAsync(sandbox.Name, "runtime-emptied");
        using var journal = new FolderJournal(folder.Resources);
        var other = await director.Api.ChangeAsync("emptied-too", Other("https://other.example"));
        await Eventually.TrueAsync(
            async () => (await sandbox.Management.QueuesAsync(sandbox.Name)).Contains("runtime-emptied"),
            RunningDirector.Patience, "the queue is back");
        await using var after = folder.StartAgent(sandbox);

        foreach (var rolloutId in new[] { missed, other })
        {
            await Eventually.TrueAsync(
                async () => await director.Api.TargetStateAsync(rolloutId, "emptied") == "Applied", RunningDirector.Patience, "it is applied");
        }

        Assert.True(folder.Holds("https://logs.example/missed"));
        Assert.Equal(1, await journal.CountAsync($"{Contents.Component}.yaml"));
    }

    private static string Other(string url) => Contents.Logging(url, "fleet", "emptied").Replace(
        $"\"{Contents.Component}\"", "\"other-service\"", StringComparison.Ordinal);
}
