using MassTransit;

namespace Governor.Contracts;

/// <summary>A runtime's desired state has changed because a credential got a new version.</summary>
/// <remarks>Carries the same whole state as <see cref="ConfigurationUpdated"/>, under the same rules of order; only the
/// cause differs.</remarks>
/// <param name="RuntimeId">The runtime addressed; also the routing key.</param>
/// <param name="Generation">Number of this message for the runtime. Every message to its Agent raises it; below 2^53.</param>
/// <param name="Desired">Everything that the runtime should hold.</param>
/// <param name="RolloutId">The rollout that caused the message, where there is one.</param>
/// <param name="Credential">Name of the credential that caused it.</param>
/// <param name="Version">Version of that credential.</param>
[EntityName("governor.credential-rotated")]
[MessageUrn("governor:credential-rotated")]
public sealed record CredentialRotated(
    string RuntimeId,
    long Generation,
    DesiredState Desired,
    string? RolloutId = null,
    string? Credential = null,
    int? Version = null);
