using MassTransit;

namespace Governor.Contracts;

/// <summary>An Agent is there and has heard nothing yet: at its start, after a lost connection, and at every report
/// interval until the first message reaches it.</summary>
/// <remarks>The Director pins the first public key that a runtime's Agent shows; a later change needs an operator. It
/// answers with <see cref="ReportRequested"/> unless the runtime is already reporting, so that standbys stay silent.</remarks>
/// <param name="RuntimeId">The runtime that the Agent serves.</param>
/// <param name="Kind">Kind of the runtime: <c>managed-kyma</c>, <c>standalone-kyma</c>, <c>service-catalog</c> or
/// <c>cloud-foundry</c>.</param>
/// <param name="InstanceId">Random id of this start of the Agent.</param>
/// <param name="PublicKey">Public key to which secrets for this runtime are sealed.</param>
/// <param name="ReportInterval">The longest time between two reports, by the Agent's own configuration.</param>
/// <param name="Version">Version of the Agent.</param>
/// <param name="Start">Whether this is the first one since the Agent started or reconnected: then it is answered although
/// the runtime has just reported, because that report may be its predecessor's.</param>
[EntityName("governor.agent-enrolled")]
[MessageUrn("governor:agent-enrolled")]
public sealed record AgentEnrolled(
    string RuntimeId,
    string Kind,
    string InstanceId,
    AgentPublicKey PublicKey,
    TimeSpan ReportInterval,
    string Version,
    bool Start = false);

/// <summary>A public key as a JSON Web Key (RFC 7517) on the curve P-256.</summary>
/// <param name="Kid">Key id: the key's thumbprint (RFC 7638), base64url.</param>
/// <param name="Kty">Key type, <c>EC</c>.</param>
/// <param name="Crv">Curve, <c>P-256</c>.</param>
/// <param name="X">X coordinate, base64url.</param>
/// <param name="Y">Y coordinate, base64url.</param>
public sealed record AgentPublicKey(string Kid, string Kty, string Crv, string X, string Y);
