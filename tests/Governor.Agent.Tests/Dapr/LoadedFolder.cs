using System.Text.Json;
using System.Text.Json.Nodes;
using Governor.Specs;

namespace Governor.Agent.Tests.Dapr;

/// <summary>What a daprd has loaded of its resources folder: compares what is there with what it has, stores of secrets first.
/// A store reads its file when it is initialised and never again; a component resolves its references then, too, and waits
/// for a store that is not there.</summary>
internal sealed class LoadedFolder(string folder, string appId)
{
    /// <summary>A component of this name fails to initialise, without ending the process.</summary>
    private const string Broken = "broken";

    private const string LocalFile = "secretstores.local.file";

    private readonly Dictionary<string, Component> _components = new(StringComparer.Ordinal);

    /// <summary>What ended the process: a store or component without <c>ignoreErrors</c> that could not be initialised.</summary>
    internal string? Ended { get; private set; }

    internal IEnumerable<(string Name, string Type, string Version)> Components =>
        _components.Select(loaded => (loaded.Key, Text(loaded.Value.Spec, "type"), Text(loaded.Value.Spec, "version")));

    /// <summary>The settings that a loaded component was given, secrets resolved; null if it is not loaded.</summary>
    internal IReadOnlyDictionary<string, string>? Settings(string component) => _components.GetValueOrDefault(component)?.Settings;

    /// <summary>What daprd does when files have changed.</summary>
    internal void Look()
    {
        var resources = Resources();
        foreach (var gone in _components.Keys.Where(name => !resources.ContainsKey(name)).ToList())
            _components.Remove(gone);
        foreach (var (name, resource) in resources.OrderBy(resource => IsStore(resource.Value) ? 0 : 1))
        {
            if (_components.TryGetValue(name, out var loaded) && loaded.Text == Functional(resource))
                continue;
            _components.Remove(name); // closed before the new one is initialised
            if (name != Broken && Initialise(resource) is { } next)
                _components[name] = next;
        }
    }

    private Component? Initialise(JsonNode resource)
    {
        try
        {
            var secrets = IsStore(resource)
                ? JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(File.ReadAllBytes(Setting(resource, "secretsFile")))!
                : [];
            var store = resource["auth"]?["secretStore"]?.GetValue<string>();
            if (store is not null && !_components.ContainsKey(store))
                return null; // waits for it
            var settings = resource["spec"]!["metadata"]!.AsArray().ToDictionary(item => Text(item!, "name"), item =>
                item!["secretKeyRef"] is { } reference
                    ? _components[store ?? ""].Secrets[Text(reference, "name")][Text(reference, "key")]
                    : item["value"]!.ToString(), StringComparer.Ordinal);
            return new Component(Functional(resource), resource["spec"]!, settings, secrets);
        }
        catch (Exception e) when (e is IOException or JsonException or KeyNotFoundException or UnauthorizedAccessException)
        {
            if (resource["spec"]!["ignoreErrors"]?.GetValue<bool>() != true)
                Ended = $"{resource["metadata"]!["name"]}: {e.Message}";
            return null;
        }
    }

    private Dictionary<string, JsonNode> Resources()
    {
        var resources = new Dictionary<string, JsonNode>(StringComparer.Ordinal);
        if (!Directory.Exists(folder))
            return resources;
        foreach (var path in Directory.EnumerateFiles(folder).Where(path => Path.GetExtension(path) is ".yaml" or ".yml"))
        {
            try
            {
                var resource = DaprComponentSchema.ToJson(File.ReadAllBytes(path));
                var scopes = resource["scopes"]?.AsArray().Select(scope => scope!.GetValue<string>()).ToList() ?? [];
                if (scopes.Count == 0 || scopes.Contains(appId, StringComparer.Ordinal))
                    resources[Text(resource["metadata"]!, "name")] = resource;
            }
            catch (FileNotFoundException)
            {
                // gone since the folder was listed
            }
        }

        return resources;
    }

    /// <summary>Only what changes what a component does makes daprd load it again.</summary>
    private static string Functional(JsonNode resource) =>
        $"{resource["spec"]!.ToJsonString()} {resource["auth"]?.ToJsonString()} {resource["scopes"]?.ToJsonString()}";

    private static bool IsStore(JsonNode resource) => Text(resource["spec"]!, "type") == LocalFile;

    private static string Setting(JsonNode resource, string name) =>
        resource["spec"]!["metadata"]!.AsArray().Single(item => Text(item!, "name") == name)!["value"]!.ToString();

    private static string Text(JsonNode node, string name) => node[name]!.GetValue<string>();

    private sealed record Component(string Text, JsonNode Spec, IReadOnlyDictionary<string, string> Settings, Dictionary<string, Dictionary<string, string>> Secrets);
}
