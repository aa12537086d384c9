using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Governor.Contracts;
using Governor.Messaging.Sealing;

namespace Governor.Agent.Tests;

/// <summary>Writes desired states briefly.</summary>
internal static class Desired
{
    internal static DesiredState Nothing { get; } = new([], []);

    internal static DesiredState State(params DesiredConfiguration[] configurations) => new(configurations, []);

    internal static DesiredState State(IReadOnlyList<CredentialSecrets> secrets, params DesiredConfiguration[] configurations) =>
        new(configurations, [.. secrets.Select(secret => new DesiredCredential(secret.Name, 1, secret.VersionId))]);

    /// <summary>A credential version with the given entries.</summary>
    internal static CredentialSecrets Secret(string name, string versionId, params (string Key, string Value)[] entries) =>
        new(name, versionId, entries.ToDictionary(entry => entry.Key, entry => entry.Value, StringComparer.Ordinal));

    /// <summary>A component with a plain value and references, each written <c>credential/entry</c>.</summary>
    internal static DesiredComponent Referring(string name, string value, params string[] references) => Component(name, value) with
    {
        Metadata = [Setting("url", value), .. references.Select(reference => reference.Split('/'))
            .Select(parts => new ComponentSetting(string.Join('-', parts), SecretKeyRef: new SecretKeyRef(parts[0], parts[1])))],
    };

    /// <summary>A configuration whose digest depends on its content, as the Director's does.</summary>
    internal static DesiredConfiguration Configuration(string name, params DesiredComponent[] components) =>
        new(name, 1, Digest(JsonSerializer.Serialize(components.Select(component => component with { Shadowed = false }))), components);

    internal static DesiredComponent Component(string name, string value = "one", string type = "bindings.http", bool shadowed = false) =>
        new(name, type, "v1", [Setting("url", value)], [], shadowed);

    internal static DesiredComponent Shadowed(string name) => Component(name, shadowed: true);

    internal static ComponentSetting Setting(string name, object? value) => new(name, JsonSerializer.SerializeToElement(value));

    private static string Digest(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
