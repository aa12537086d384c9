using Governor.Specs;
using RabbitMQ.Client;

namespace Governor.IntegrationTests.Fleet;

/// <summary>Rollouts to Agents that come and go, Director and Agents apart, on real servers.</summary>
public sealed class RolloutToAgentsTests(DirectorFixture fixture) : IClassFixture<DirectorFixture>
{
    private const string Handled = "handled generation";
    private static readonly TimeSpan Patience = RunningDirector.Patience;

    private DirectorApi Api => fixture.Api;

    [Fact]
    public async Task Given_50_runtimes_When_a_configuration_changes_Then_each_of_them_holds_it_as_a_valid_Dapr_component()
    {
        string[] ids = [.. Enumerable.Range(1, 50).Select(n => $"fifty-{n}")];
        var folders = ids.Select(id => new AgentFolder(id)).ToList();
        try
        {
            await Api.RegisterAsync(ids, ("fleet", "fifty"));
            using var agents = await AgentHost.StartAsync(fixture.Sandbox, folders);
            await Api.WaitUntilHeardAsync(ids);

            var rolloutId = await Api.ChangeAsync("fifty", Contents.Logging("https://logs.example/fifty", "fleet", "fifty"));

            await Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
            var targets = await Api.TargetsAsync(rolloutId);
            Assert.Equal(ids.Order(StringComparer.Ordinal), targets.Keys.Order(StringComparer.Ordinal));
            Assert.All(targets.Values, target => Assert.Equal("Applied", DirectorApi.Text(target, "state")));
            foreach (var folder in folders)
            {
                Assert.True(folder.Holds("https://logs.example/fifty"), folder.RuntimeId);
                var component = DaprComponentSchema.ToJson(await File.ReadAllBytesAsync(folder.ComponentPath, CancellationToken.None));
                Assert.Empty(await DaprComponentSchema.ValidateAsync(component));
            }

            await agents.StopAsync(CancellationToken.None);
        }
        finally
        {
            folders.ForEach(folder => folder.Dispose());
        }
    }

    [Fact]
    public async Task Given_an_agent_that_was_offline_during_three_revisions_When_it_returns_Then_it_applies_only_the_third()
    {
        using var folder = new AgentFolder("offline");
        await Api.RegisterAsync(["offline"], ("fleet", "offline"));
        await using (var before = folder.StartAgent(fixture.Sandbox))
        {
            await Api.WaitUntilHeardAsync(["offline"]);
            Assert.Equal(0, await before.TerminateAsync(Patience));
        }

        using var journal = new FolderJournal(folder.Resources);
        var rolloutId = "";
        for (var revision = 1; revision <= 3; revision++)
        {
            rolloutId = await Api.ChangeAsync("offline", Contents.Logging($"https://logs.example/{revision}", "fleet", "offline"));
            var waiting = (uint)revision;
            await Eventually.TrueAsync(
                async () => (await QueueAsync("offline")).MessageCount == waiting, Patience, $"revision {revision} waits in the queue");
        }

        await using var after = folder.StartAgent(fixture.Sandbox);

        await Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        Assert.True(folder.Holds("https://logs.example/3"));
        Assert.Equal(1, await journal.CountAsync($"{Contents.Component}.yaml"));
        Assert.Single(after.Output.Split('\n'), line => line.Contains(Handled, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Given_a_runtime_whose_agent_never_connected_When_a_rollout_goes_Then_it_is_deferred_at_once_and_served_when_it_connects()
    {
        using var there = new AgentFolder("there");
        using var away = new AgentFolder("away");
        await Api.RegisterAsync(["there", "away"], ("fleet", "away"));
        await using var agent = there.StartAgent(fixture.Sandbox);
        await Api.WaitUntilHeardAsync(["there"]);
        await Api.WaitUntilProvisionedAsync(["there", "away"]);

        var rolloutId = await Api.ChangeAsync("away", Contents.Logging("https://logs.example/away", "fleet", "away"));

        // The deadline of a target is ten minutes, longer than this waits.
        var rollout = await Api.WaitUntilEndedAsync(rolloutId, "CompletedWithDeferred");
        Assert.False(rollout.GetProperty("deadlines").TryGetProperty("next", out _));
        Assert.Equal("Applied", await Api.TargetStateAsync(rolloutId, "there"));
        var deferred = (await Api.TargetsAsync(rolloutId))["away"];
        Assert.Equal(("Deferred", "away", 0), (DirectorApi.Text(deferred, "state"), DirectorApi.Text(deferred, "reason"), deferred.GetProperty("attempts").GetInt32()));
        Assert.True(there.Holds("https://logs.example/away"));
        Assert.Equal(0u, (await QueueAsync("away")).MessageCount);

        await using var late = away.StartAgent(fixture.Sandbox);

        await Eventually.TrueAsync(() => away.Holds("https://logs.example/away"), Patience, "the late runtime is served");
        await Eventually.TrueAsync(
            async () => await Api.TargetStateAsync(rolloutId, "away") == "Applied", Patience, "its target tells so");
    }

    [Fact]
    public async Task Given_two_agents_with_one_id_When_the_one_that_works_is_killed_Then_the_other_takes_over()
    {
        using var folder = new AgentFolder("twins");
        await Api.RegisterAsync(["twins"], ("fleet", "twins"));
        await using var first = folder.StartAgent(fixture.Sandbox);
        await Api.WaitUntilHeardAsync(["twins"]);
        await using var second = folder.StartAgent(fixture.Sandbox);
        await Eventually.TrueAsync(
            async () => (await QueueAsync("twins")).ConsumerCount == 2, Patience, "the second Agent stands by");

        var one = await Api.ChangeAsync("twins", Contents.Logging("https://logs.example/one", "fleet", "twins"));
        await Api.WaitUntilEndedAsync(one, "Succeeded");
        await first.WaitForLineAsync(line => line.Contains(Handled, StringComparison.Ordinal), Patience);
        Assert.DoesNotContain(Handled, second.Output, StringComparison.Ordinal);

        await first.KillAsync();
        var two = await Api.ChangeAsync("twins", Contents.Logging("https://logs.example/two", "fleet", "twins"));

        await Api.WaitUntilEndedAsync(two, "Succeeded");
        Assert.True(folder.Holds("https://logs.example/two"));
        await second.WaitForLineAsync(line => line.Contains(Handled, StringComparison.Ordinal), Patience);
    }

    private async Task<QueueDeclareOk> QueueAsync(string runtimeId)
    {
        var factory = new ConnectionFactory { Uri = new Uri(fixture.Sandbox.RabbitMq) };
        await using var connection = await factory.CreateConnectionAsync(CancellationToken.None);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
        return await channel.QueueDeclarePassiveAsync($"runtime-{runtimeId}", CancellationToken.None);
    }
}
