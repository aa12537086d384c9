using Governor.Agent.DaprFolder;
using Governor.Contracts;
using Governor.Messaging.Sealing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Governor.Agent.Tests.DaprFolder;

/// <summary>A resources folder and its applier.</summary>
public abstract class FolderScenario : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private long _generation;

    private protected FolderScenario() => Applier = NewApplier();

    private protected static byte[] MacKey { get; } = [.. Enumerable.Range(0, 32).Select(n => (byte)n)];

    private protected string Resources => _folder["resources"];

    private protected string State => _folder["state"];

    private protected DaprFolderApplier Applier { get; private set; }

    private protected string[] ComponentFiles =>
        [.. Directory.EnumerateFiles(Resources, "*.y*ml").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected DaprFolderApplier NewApplier(params string[] denied) => NewApplier(Resources, denied);

    private protected DaprFolderApplier NewApplier(string resources, params string[] denied) => NewApplier(Options(resources, denied));

    private protected static DaprFolderApplier NewApplier(AgentOptions options) => new(options, MacKey, TimeProvider.System, NullLogger.Instance);

    private protected AgentOptions Options(string resources, params string[] denied)
    {
        var options = new AgentOptions { ResourcesPath = resources, StatePath = State };
        foreach (var type in denied)
            options.DeniedComponentTypes.Add(type);
        return options;
    }

    /// <summary>Another Agent, or the same one after a restart.</summary>
    private protected void Restart(params string[] denied) => Applier = NewApplier(denied);

    private protected void Restart(AgentOptions options) => Applier = NewApplier(options);

    private protected Task ApplyAsync(params DesiredConfiguration[] configurations) => ApplyAsync([], configurations);

    private protected Task ApplyAsync(IReadOnlyList<CredentialSecrets> secrets, params DesiredConfiguration[] configurations) =>
        Applier.ApplyAsync(++_generation, Desired.State(secrets, configurations), secrets, CancellationToken.None);

    private protected string PathOf(string name) => Path.Combine(Resources, name);

    private protected string Text(string name) => File.ReadAllText(PathOf(name));

    private protected string PathBelowAFile()
    {
        File.WriteAllText(_folder["file"], "");
        return Path.Combine(_folder["file"], "resources");
    }

    private protected void Foreign(string name, string content)
    {
        Directory.CreateDirectory(Resources);
        File.WriteAllText(PathOf(name), content);
    }

    private protected ReportedConfiguration Reported(string name) =>
        Assert.Single(Applier.Observe().Configurations, configuration => configuration.Name == name);

    private protected void AssertShows(DesiredConfiguration configuration)
    {
        var reported = Reported(configuration.Name);
        Assert.Equal((configuration.Digest, ApplyOutcome.Applied, configuration.Digest), (reported.Digest, reported.Outcome, reported.OutcomeDigest));
    }

    private protected void AssertRefused(DesiredConfiguration configuration, string reason, string named)
    {
        var reported = Reported(configuration.Name);
        Assert.Equal((ApplyOutcome.Rejected, configuration.Digest, reason), (reported.Outcome, reported.OutcomeDigest, reported.Reason));
        Assert.Contains(named, reported.Message, StringComparison.Ordinal);
    }

    private protected static string ForeignComponent(string name) =>
        $"apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  type: state.redis\n  version: v1\n  metadata: []\n";
}
