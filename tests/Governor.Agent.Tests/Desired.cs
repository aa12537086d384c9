using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Governor.Contracts;

namespace Governor.Agent.Tests;

/// <summary>Writes desired states briefly.</summary>
internal static class Desired
{
    internal static DesiredState Nothing { get; } = new([], []);

    internal static DesiredState State(params DesiredConfiguration[] configurations) => new(configurations, []);

    /// <summary>A configuration whose digest depends on its content, as the Director's does.</summary>
    internal static DesiredConfiguration Configuration(string name, params DesiredComponent[] components) =>
        new(name, 1, Digest(JsonSerializer.Serialize(components.Select(component => component with { Shadowed = false }))), components);

    internal static DesiredComponent Component(string name, string value = "one", string type = "bindings.http", bool shadowed = false) =>
        new(name, type, "v1", [Setting("url", value)], [], shadowed);

    internal static DesiredComponent Shadowed(string name) => Component(name, shadowed: true);

    internal static ComponentSetting Setting(string name, object? value) => new(name, JsonSerializer.SerializeToElement(value));

    private static string Digest(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
