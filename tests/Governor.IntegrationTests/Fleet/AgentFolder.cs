using Governor.Agent;

namespace Governor.IntegrationTests.Fleet;

/// <summary>What one runtime has on disk: its Dapr resources folder and its Agents' state. Gone after the test.</summary>
internal sealed class AgentFolder : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("governor-agent-").FullName;

    public AgentFolder(string runtimeId)
    {
        RuntimeId = runtimeId;
        Directory.CreateDirectory(Resources);
    }

    /// <summary>The runtime.</summary>
    public string RuntimeId { get; }

    /// <summary>Its resources folder.</summary>
    public string Resources => Path.Combine(root, "resources");

    /// <summary>Where its component of <see cref="Contents.Logging"/> lies.</summary>
    public string ComponentPath => Path.Combine(Resources, $"{Contents.Component}.yaml");

    private string State => Path.Combine(root, "state");

    /// <summary>Whether the component is there and holds a text.</summary>
    public bool Holds(string text) =>
        File.Exists(ComponentPath) && File.ReadAllText(ComponentPath).Contains(text, StringComparison.Ordinal);

    /// <summary>Starts an Agent of this runtime as a process.</summary>
    public GovernorProcess StartAgent(Sandbox sandbox, params (string Key, string? Value)[] settings)
    {
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["ConnectionStrings__RabbitMq"] = sandbox.RabbitMq,
            ["Agent__RuntimeId"] = RuntimeId,
            ["Agent__Kind"] = "standalone-kyma",
            ["Agent__ResourcesPath"] = Resources,
            ["Agent__StatePath"] = State,
        };
        foreach (var (key, value) in settings)
            environment[key] = value;
        return GovernorProcess.Start("Governor.Agent", environment);
    }

    /// <summary>The settings of an Agent of this runtime, for a host with many.</summary>
    public AgentOptions Options() =>
        new() { RuntimeId = RuntimeId, Kind = "standalone-kyma", ResourcesPath = Resources, StatePath = State };

    public void Dispose() => Directory.Delete(root, recursive: true);
}
