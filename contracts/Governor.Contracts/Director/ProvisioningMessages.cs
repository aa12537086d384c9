using MassTransit;

namespace Governor.Contracts;

/// <summary>Make what belongs to these runtimes on the broker: queues and bindings. Repeatable. Within the Director.</summary>
/// <param name="RuntimeIds">The runtimes, at most 1,000.</param>
[EntityName("governor.provision-runtimes")]
[MessageUrn("governor:provision-runtimes")]
public sealed record ProvisionRuntimes(IReadOnlyList<string> RuntimeIds);

/// <summary>Remove what belongs to a runtime on the broker, unless it was registered again. Within the Director.</summary>
/// <param name="RuntimeId">The runtime.</param>
[EntityName("governor.deprovision-runtime")]
[MessageUrn("governor:deprovision-runtime")]
public sealed record DeprovisionRuntime(string RuntimeId);
