using System.Text.Json.Nodes;
using Governor.IntegrationTests.Crashes;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Commands;

/// <summary>Directors ended by <c>SIGKILL</c> while commands come in.</summary>
public sealed class CommandCrashTests
{
    private const string Update = "governor-update-configuration";
    private const string Done = "SELECT count(*) FROM commands";
    private const int Commands = 250;

    [Fact]
    public async Task Given_a_stream_of_commands_When_the_director_is_killed_again_and_again_Then_each_is_done_once_and_answered()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        var director = await RunningDirector.StartAsync(sandbox);
        await director.Api.RegisterAsync(["crash-1"], ("fleet", "crash"));
        var command = JsonNode.Parse(Contents.Logging("https://logs.example", "fleet", "crash"))!.AsObject();
        (command["commandId"], command["requestedBy"], command["name"]) = ("crash-{n}", "node", "crash-{n}");
        var client = NodeClient.FloodAsync(sandbox.RabbitMq, Update, [], Commands, command.ToJsonString(), every: 1);

        foreach (var progress in new[] { 20, 80 })
        {
            await rows.WaitForAsync(progress, Done);
            await director.Process.KillAsync();
            await director.DisposeAsync();
            Assert.True(await rows.ScalarAsync<long>(Done) < Commands, "All commands were done before the kill.");
            director = await RunningDirector.StartAsync(sandbox);
        }

        var answers = await client;
        await using (director)
        {
            Assert.Equal((Commands, 0), (answers.Accepted, answers.Rejected));
            Assert.Equal(Commands, await rows.ScalarAsync<long>("SELECT count(*) FROM rollouts"));
            Assert.Equal(Commands, await rows.ScalarAsync<long>("SELECT count(*) FROM configurations WHERE newest_revision = 1"));
        }
    }
}
