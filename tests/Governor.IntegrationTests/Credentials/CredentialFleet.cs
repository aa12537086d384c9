using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Credentials;

/// <summary>A Director and a few runtimes, each with an Agent in a process of its own, which a test can end and start again.</summary>
internal sealed class CredentialFleet : IAsyncDisposable
{
    private readonly (string Key, string? Value)[] agentSettings;
    private readonly Dictionary<string, (AgentFolder Folder, GovernorProcess Agent)> runtimes = new(StringComparer.Ordinal);
    private readonly List<GovernorProcess> ended = [];

    private CredentialFleet(Sandbox sandbox, RunningDirector director, (string Key, string? Value)[] agentSettings) =>
        (Sandbox, Director, this.agentSettings) = (sandbox, director, agentSettings);

    public Sandbox Sandbox { get; }

    public RunningDirector Director { get; }

    public DirectorApi Api => Director.Api;

    /// <summary>What a runtime has on disk.</summary>
    public AgentFolder this[string runtimeId] => runtimes[runtimeId].Folder;

    /// <summary>All that the Agents have written, also those that have ended.</summary>
    public string AgentOutput => string.Join('\n', ended.Concat(runtimes.Values.Select(r => r.Agent)).Distinct().Select(a => a.Output));

    /// <summary>Starts a Director in a sandbox.</summary>
    public static Task<CredentialFleet> StartAsync(params (string Key, string? Value)[] director) => StartAsync(director, []);

    /// <summary>Starts a Director in a sandbox, with settings for its Agents to come.</summary>
    public static async Task<CredentialFleet> StartAsync((string Key, string? Value)[] director, (string Key, string? Value)[] agents)
    {
        var sandbox = await Sandbox.CreateAsync();
        try
        {
            return new CredentialFleet(sandbox, await RunningDirector.StartAsync(sandbox, director), agents);
        }
        catch
        {
            await sandbox.DisposeAsync();
            throw;
        }
    }

    /// <summary>Registers runtimes with the label <c>fleet</c>, and starts their Agents.</summary>
    public async Task JoinAsync(string fleet, params string[] runtimeIds)
    {
        await Api.RegisterAsync(runtimeIds, ("fleet", fleet));
        foreach (var id in runtimeIds)
        {
            var folder = new AgentFolder(id);
            runtimes.Add(id, (folder, folder.StartAgent(Sandbox, agentSettings)));
        }

        await Api.WaitUntilHeardAsync(runtimeIds);
    }

    /// <summary>Ends a runtime's Agent in good order.</summary>
    public async Task StopAgentAsync(string runtimeId)
    {
        var agent = runtimes[runtimeId].Agent;
        Assert.Equal(0, await agent.TerminateAsync(RunningDirector.Patience));
        ended.Add(agent);
    }

    /// <summary>Starts an Agent of the runtime in place of the one that ended.</summary>
    public void StartAgent(string runtimeId) =>
        runtimes[runtimeId] = runtimes[runtimeId] with { Agent = runtimes[runtimeId].Folder.StartAgent(Sandbox, agentSettings) };

    public async ValueTask DisposeAsync()
    {
        foreach (var agent in ended.Concat(runtimes.Values.Select(r => r.Agent)).Distinct())
            await agent.DisposeAsync();
        foreach (var (folder, _) in runtimes.Values)
            folder.Dispose();
        await Director.DisposeAsync();
        await Sandbox.DisposeAsync();
    }
}
