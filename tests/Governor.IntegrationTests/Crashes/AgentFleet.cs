using Governor.IntegrationTests.Fleet;
using Microsoft.Extensions.Hosting;

namespace Governor.IntegrationTests.Crashes;

/// <summary>Agents with their folders, and a journal of each: how often something was put in place there.</summary>
internal sealed class AgentFleet : IAsyncDisposable
{
    private readonly IReadOnlyList<AgentFolder> folders;
    private readonly IReadOnlyList<FolderJournal> journals;
    private readonly IHost agents;

    private AgentFleet(IReadOnlyList<AgentFolder> folders, IHost agents)
    {
        this.folders = folders;
        this.agents = agents;
        journals = [.. folders.Select(f => new FolderJournal(f.Resources))];
        Ids = [.. folders.Select(f => f.RuntimeId)];
    }

    public IReadOnlyList<string> Ids { get; }

    public IReadOnlyList<AgentFolder> Folders => folders;

    /// <summary>Registers runtimes with the label <c>fleet</c> and waits until their Agents are heard.</summary>
    public static async Task<AgentFleet> StartAsync(Sandbox sandbox, DirectorApi director, string fleet, int count)
    {
        var made = Enumerable.Range(1, count).Select(n => new AgentFolder($"{fleet}-{n}")).ToList();
        await director.RegisterAsync(made.Select(f => f.RuntimeId), ("fleet", fleet));
        var started = new AgentFleet(made, await AgentHost.StartAsync(sandbox, made));
        await director.WaitUntilHeardAsync(started.Ids);
        return started;
    }

    /// <summary>Fails unless every runtime holds the text, put in place exactly so often.</summary>
    public async Task HoldAsync(string text, int writes = 1)
    {
        await Eventually.TrueAsync(
            () => folders.All(f => f.Holds(text)), RunningDirector.Patience, $"every runtime holds {text}");
        foreach (var (folder, journal) in folders.Zip(journals))
            Assert.Equal((folder.RuntimeId, writes), (folder.RuntimeId, await journal.CountAsync($"{Contents.Component}.yaml")));
    }

    /// <summary>Fails unless each component was put in place twice: by its rollout, and by one repair.</summary>
    public async Task RepairedOnceAsync()
    {
        foreach (var journal in journals)
            Assert.Equal(2, await journal.CountAsync($"{Contents.Component}.yaml", byHand: true));
    }

    public async ValueTask DisposeAsync()
    {
        await agents.StopAsync(CancellationToken.None);
        agents.Dispose();
        foreach (var (folder, journal) in folders.Zip(journals))
        {
            journal.Dispose();
            folder.Dispose();
        }
    }
}
