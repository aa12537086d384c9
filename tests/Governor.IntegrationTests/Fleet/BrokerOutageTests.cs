using System.Net;

namespace Governor.IntegrationTests.Fleet;

/// <summary>The broker away and back; each test stops one of its own.</summary>
public sealed class BrokerOutageTests
{
    [Fact]
    public async Task Given_the_broker_is_down_When_a_change_is_accepted_and_the_director_killed_Then_it_is_delivered_and_applied_once()
    {
        await using var broker = await PrivateBroker.StartNewAsync();
        await using var sandbox = await Sandbox.CreateAsync(broker.Address);
        using var folder = new AgentFolder("steadfast");
        await using var agent = folder.StartAgent(sandbox);
        string rolloutId;
        await using (var before = await RunningDirector.StartAsync(sandbox))
        {
            await before.Api.RegisterAsync(["steadfast"], ("fleet", "steadfast"));
            await before.Api.WaitUntilHeardAsync(["steadfast"]);

            await broker.StopAsync();
            rolloutId = await before.Api.ChangeAsync("steadfast", Contents.Logging("https://logs.example/kept", "fleet", "steadfast"));
            await before.Process.KillAsync();
        }

        using var journal = new FolderJournal(folder.Resources);
        await broker.StartAsync();
        await using var after = await RunningDirector.StartAsync(sandbox);

        await after.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        Assert.True(folder.Holds("https://logs.example/kept"));
        Assert.Equal(1, await journal.CountAsync($"{Contents.Component}.yaml"));
    }

    [Fact]
    public async Task Given_the_broker_is_down_When_readiness_is_asked_Then_the_bus_is_named_until_it_is_back()
    {
        await using var broker = await PrivateBroker.StartNewAsync();
        await using var sandbox = await Sandbox.CreateAsync(broker.Address);
        await broker.StopAsync();
        await using var director = await RunningDirector.StartListeningAsync(sandbox);

        await Eventually.TrueAsync(
            async () => (await director.Api.GetUnreadyChecksAsync()) is ["masstransit-bus"],
            RunningDirector.Patience, () => $"the bus, and nothing else, is missing; it wrote:\n{director.Process.Output}");
        using (var live = await director.Api.SendAsync(HttpMethod.Get, "/health/live", body: null))
            Assert.Equal(HttpStatusCode.OK, live.StatusCode);

        await broker.StartAsync();

        await director.WaitUntilReadyAsync();
    }
}
