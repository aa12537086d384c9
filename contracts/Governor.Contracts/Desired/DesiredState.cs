using System.Text.Json;
using System.Text.Json.Serialization;

namespace Governor.Contracts;

/// <summary>Everything that one runtime should hold now. Whole, never a patch: what carries the Governor's mark in the
/// runtime and is not in here goes.</summary>
/// <param name="Configurations">The configurations assigned, one entry each, ordered by name.</param>
/// <param name="Credentials">The credential versions that components in force refer to, ordered by name.</param>
/// <param name="Secrets">The entries of those versions as one compact JWE (ECDH-ES, A256GCM) to the runtime's public key,
/// bound to its id and to the message's generation; absent when no credential is assigned.</param>
public sealed record DesiredState(
    IReadOnlyList<DesiredConfiguration> Configurations,
    IReadOnlyList<DesiredCredential> Credentials,
    string? Secrets = null);

/// <summary>One configuration as one runtime should hold it.</summary>
/// <param name="Name">Name of the configuration, a DNS label, unique within its tenant.</param>
/// <param name="Revision">Revision that the content comes from, 1 and up. It names the content for people; digests decide.</param>
/// <param name="Digest">Lower-case hex SHA-256 of the content for this runtime, shadowed components included.
/// Equal digests mean equal content. It never covers a secret's value.</param>
/// <param name="Components">The components, ordered by ordinal name.</param>
public sealed record DesiredConfiguration(
    string Name,
    int Revision,
    string Digest,
    IReadOnlyList<DesiredComponent> Components);

/// <summary>A component in the shape of a Dapr Component, as one runtime should hold it.</summary>
/// <param name="Name">Name of the component, unique within its configuration.</param>
/// <param name="Type">Dapr component type, for example <c>bindings.http</c>.</param>
/// <param name="Version">Version of the component type; <c>v1</c> when the author gave none.</param>
/// <param name="Metadata">Settings in the author's order.</param>
/// <param name="Scopes">Ids of the applications that may use the component, sorted; empty means all.</param>
/// <param name="Shadowed">Whether a configuration of higher priority gives the runtime a component of the same name:
/// then this one is not applied, and is back when the other leaves.</param>
public sealed record DesiredComponent(
    string Name,
    string Type,
    string Version,
    IReadOnlyList<ComponentSetting> Metadata,
    IReadOnlyList<string> Scopes,
    bool Shadowed = false);

/// <summary>One setting of a component: a plain value or a reference to a secret entry, never both.</summary>
/// <param name="Name">Name of the setting, as the component type defines it.</param>
/// <param name="Value">Plain value, any JSON; absent when <paramref name="SecretKeyRef"/> is given.</param>
/// <param name="SecretKeyRef">Reference to an entry of a credential.</param>
public sealed record ComponentSetting(
    string Name,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Value = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] SecretKeyRef? SecretKeyRef = null);

/// <summary>Points at one entry of a credential.</summary>
/// <param name="Name">Name of the credential, unique within its tenant.</param>
/// <param name="Key">Key of the entry within the credential.</param>
public sealed record SecretKeyRef(string Name, string Key);

/// <summary>A credential version that the runtime should hold.</summary>
/// <param name="Name">Name of the credential.</param>
/// <param name="Version">Number of the version, for people.</param>
/// <param name="VersionId">Random id of the version: this is what is compared.</param>
public sealed record DesiredCredential(string Name, int Version, string VersionId);
