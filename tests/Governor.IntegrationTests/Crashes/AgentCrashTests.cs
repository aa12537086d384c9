using Governor.IntegrationTests.Fleet;
using RabbitMQ.Client;

namespace Governor.IntegrationTests.Crashes;

/// <summary>An Agent ended by <c>SIGKILL</c> the moment its file is in place, before it has told so.</summary>
public sealed class AgentCrashTests
{
    /// <summary>How often the kill may come too late, after the report: then the next revision is tried.</summary>
    private const int Tries = 20;

    [Fact]
    public async Task Given_an_agent_that_is_killed_between_apply_and_report_When_it_returns_Then_it_reports_and_writes_nothing_again()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var director = await RunningDirector.StartAsync(sandbox);
        using var folder = new AgentFolder("between");
        await director.Api.RegisterAsync(["between"], ("fleet", "between"));
        var agent = folder.StartAgent(sandbox);
        try
        {
            await director.Api.WaitUntilHeardAsync(["between"]);
            for (var attempt = 1; ; attempt++)
            {
                Assert.True(attempt <= Tries, "The Agent was never killed between apply and report.");
                using var journal = new FolderJournal(folder.Resources);
                var url = $"https://logs.example/between-{attempt}";
                string rolloutId;
                using (journal.OnPlaced($"{Contents.Component}.yaml", agent.KillNow))
                {
                    rolloutId = await director.Api.ChangeAsync("between", Contents.Logging(url, "fleet", "between"));
                    await agent.WaitForExitAsync(RunningDirector.Patience);
                }

                Assert.True(folder.Holds(url));
                await agent.DisposeAsync();
                var caught = !await IsToldAsync(sandbox, rows, rolloutId);
                agent = folder.StartAgent(sandbox);
                await director.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
                Assert.Equal(1, await journal.CountAsync($"{Contents.Component}.yaml"));
                if (caught)
                    break;
            }
        }
        finally
        {
            await agent.DisposeAsync();
        }
    }

    /// <summary>Whether the report had left before the Agent died, once all that was sent has been handled.</summary>
    private static async Task<bool> IsToldAsync(Sandbox sandbox, Rows rows, string rolloutId)
    {
        var factory = new ConnectionFactory { Uri = new Uri(sandbox.RabbitMq) };
        await using var connection = await factory.CreateConnectionAsync(CancellationToken.None);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: CancellationToken.None);
        await Eventually.TrueAsync(
            async () => (await channel.QueueDeclarePassiveAsync("governor-reports", CancellationToken.None)).MessageCount == 0,
            RunningDirector.Patience, "all reports are taken");
        return await rows.ScalarAsync<string>("SELECT state FROM rollout_targets WHERE rollout_id = $1", Guid.Parse(rolloutId)) == "Applied";
    }
}
