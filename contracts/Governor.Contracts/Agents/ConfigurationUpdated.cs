using MassTransit;

namespace Governor.Contracts;

/// <summary>A runtime's desired state has changed, or is sent again; a configuration or the fleet is the cause.</summary>
/// <remarks>Published by the Director on a direct exchange with the runtime's id as routing key. Delivered at least once
/// and in any order: the Agent keeps the message of the highest <see cref="Generation"/> and ignores every lower one.</remarks>
/// <param name="RuntimeId">The runtime addressed; also the routing key.</param>
/// <param name="Generation">Number of this message for the runtime. Every message to its Agent raises it; below 2^53.</param>
/// <param name="Desired">Everything that the runtime should hold.</param>
/// <param name="RolloutId">The rollout that caused the message, where there is one.</param>
/// <param name="Configuration">Name of the configuration that caused it, where there is one.</param>
/// <param name="Revision">Revision of that configuration, where there is one.</param>
[EntityName("governor.configuration-updated")]
[MessageUrn("governor:configuration-updated")]
public sealed record ConfigurationUpdated(
    string RuntimeId,
    long Generation,
    DesiredState Desired,
    string? RolloutId = null,
    string? Configuration = null,
    int? Revision = null);
