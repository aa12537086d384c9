namespace Governor.Messaging;

/// <summary>In memory an Agent's endpoint binds itself: there is no other process to be protected from.</summary>
internal sealed class InMemoryRuntimeProvisioner : IRuntimeProvisioner
{
    public Task ProvisionAsync(IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task DeprovisionAsync(string runtimeId, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<bool> IsMarkedAsync(CancellationToken cancellationToken) => Task.FromResult(true);

    public Task MarkAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
