using Governor.Agent.Runtime;
using Governor.Contracts;
using Governor.Messaging.Sealing;

namespace Governor.Agent.Tests.Runtime;

/// <summary>A runtime in memory: shows what was applied, and fails when told to.</summary>
internal sealed class FakeApplier : IRuntimeApplier
{
    private Action _changed = () => { };

    internal List<long> Applied { get; } = [];

    internal Exception? Failure { get; set; }

    /// <summary>What the runtime shows; a test changes it as another hand would.</summary>
    internal IReadOnlyList<ReportedConfiguration> Shown { get; set; } = [];

    internal IReadOnlyList<ReportedCredential> Held { get; set; } = [];

    /// <summary>The secrets last applied.</summary>
    internal IReadOnlyList<CredentialSecrets> Secrets { get; private set; } = [];

    public long HandledGeneration { get; set; }

    public Task ApplyAsync(long generation, DesiredState desired, IReadOnlyList<CredentialSecrets> secrets, CancellationToken cancellationToken)
    {
        if (Failure is { } failure)
            return Task.FromException(failure);
        Applied.Add(generation);
        Secrets = secrets;
        Held = [.. secrets.Select(secret => new ReportedCredential(secret.Name, secret.VersionId))];
        HandledGeneration = generation;
        Shown = [.. desired.Configurations.Select(configuration =>
            new ReportedConfiguration(configuration.Name, configuration.Digest, ApplyOutcome.Applied, configuration.Digest))];
        return Task.CompletedTask;
    }

    public RuntimeObservation Observe() => new(HandledGeneration, Shown, Held);

    public IAsyncDisposable Watch(Action changed)
    {
        _changed = changed;
        return new Watcher();
    }

    internal void TellOfChange() => _changed();

    private sealed class Watcher : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
