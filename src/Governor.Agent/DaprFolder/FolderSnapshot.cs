using System.Security.Cryptography;
using Governor.Agent.DaprFolder.Secrets;
using Microsoft.Extensions.Logging;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Governor.Agent.DaprFolder;

/// <summary>A component file of ours that is there.</summary>
/// <param name="Configuration">The configuration that it was written for.</param>
/// <param name="Sha256">Lower-case hex SHA-256 of what it holds now, by whichever hand.</param>
/// <param name="Stores">Ids of the secret sets that it mentions.</param>
internal sealed record OwnFile(string Configuration, string Sha256, IReadOnlyList<string> Stores);

/// <summary>A secret store component of ours that is there.</summary>
/// <param name="Sha256">Lower-case hex SHA-256 of what its file holds now, by whichever hand.</param>
/// <param name="Versions">What it says that it holds, in lines of <c>name@versionId</c>; absent if the mark lists it.</param>
internal sealed record OwnStore(string Sha256, string? Versions);

/// <summary>The resources folder at one moment: which files are ours, and which names belong to another hand.</summary>
internal sealed class FolderSnapshot
{
    private readonly SortedDictionary<string, OwnFile> _own = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, OwnStore> _stores = new(StringComparer.Ordinal);
    private readonly HashSet<string> _foreignFiles = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _foreignComponents = new(StringComparer.Ordinal);

    /// <summary>Our files, by component.</summary>
    internal IReadOnlyDictionary<string, OwnFile> Own => _own;

    /// <summary>Our secret stores, by the id of the set that they hold.</summary>
    internal IReadOnlyDictionary<string, OwnStore> Stores => _stores;

    /// <summary>Whether something in the folder could not be read.</summary>
    internal bool IsPartial { get; set; }

    /// <summary>Name of the file through which another hand holds this component's name, if one does.</summary>
    internal string? ForeignHolder(string component) =>
        _foreignFiles.Contains(component + ".yaml") ? component + ".yaml" : _foreignComponents.GetValueOrDefault(component);

    internal void AddOwn(string component, OwnFile file) => _own[component] = file;

    internal void AddStore(string id, OwnStore store) => _stores[id] = store;

    internal void AddForeign(string name, IEnumerable<string> components)
    {
        _foreignFiles.Add(name);
        foreach (var component in components)
            _foreignComponents.TryAdd(component, name);
    }
}

/// <summary>Reads the resources folder.</summary>
internal sealed partial class FolderReader(string folder, ILogger logger)
{
    private readonly HashSet<string> _warned = new(StringComparer.Ordinal);

    /// <summary>Looks at the folder; one that cannot be read is as good as empty.</summary>
    internal FolderSnapshot Read(FolderMark mark)
    {
        var snapshot = new FolderSnapshot();
        foreach (var path in Resources(snapshot))
        {
            var name = Path.GetFileName(path);
            var component = name.EndsWith(".yaml", StringComparison.Ordinal) ? name[..^".yaml".Length] : null;
            if (Directory.Exists(path))
                snapshot.AddForeign(name, []);
            else if (Content(path, snapshot) is not { } content)
                continue;
            else if (component is not null && mark.Files.TryGetValue(component, out var configuration))
                snapshot.AddOwn(component, Own(configuration, content)); // ours whatever another hand made of it
            else if (component is not null && SecretSet.IdIn(component) is { } id && mark.Stores.ContainsKey(id))
                snapshot.AddStore(id, new OwnStore(Hash(content), Versions: null));
            else
                Judge(snapshot, name, component, content);
        }

        return snapshot;
    }

    internal static string Hash(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    private static OwnFile Own(string configuration, byte[] content) => new(configuration, Hash(content), SecretSet.MentionedIn(content));

    /// <summary>A file that the mark does not list is ours if it says so itself, and is where we would have put it.</summary>
    private void Judge(FolderSnapshot snapshot, string name, string? component, byte[] content)
    {
        var found = Components(name, content);
        if (found is not [{ IsOurs: true } only] || only.Name != component)
            snapshot.AddForeign(name, found.Select(other => other.Name));
        else if (SecretSet.IdIn(component) is { } id && only.Versions is not null)
            snapshot.AddStore(id, new OwnStore(Hash(content), only.Versions));
        else if (only.Configuration is not null)
            snapshot.AddOwn(component, Own(only.Configuration, content));
        else
            snapshot.AddForeign(name, [only.Name]);
    }

    private List<string> Resources(FolderSnapshot snapshot)
    {
        try
        {
            if (!Directory.Exists(folder))
                return [];
            return [.. Directory.EnumerateFileSystemEntries(folder)
                .Where(path => Path.GetExtension(path).ToLowerInvariant() is ".yaml" or ".yml")
                .Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            WarnOnce(folder, e.Message);
            snapshot.IsPartial = true;
            return [];
        }
    }

    private byte[]? Content(string path, FolderSnapshot snapshot)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (FileNotFoundException)
        {
            return null; // gone since the folder was listed
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            WarnOnce(Path.GetFileName(path), e.Message);
            snapshot.IsPartial = true;
            return [];
        }
    }

    private List<FoundComponent> Components(string name, byte[] content)
    {
        try
        {
            var yaml = new YamlStream();
            using var reader = new StreamReader(new MemoryStream(content));
            yaml.Load(reader);
            return [.. yaml.Documents.Select(document => document.RootNode).OfType<YamlMappingNode>()
                .Where(root => Text(root, "kind") == "Component")
                .Select(root => Child(root, "metadata"))
                .Where(metadata => Text(metadata, "name") is not null)
                .Select(metadata => new FoundComponent(
                    Text(metadata, "name")!,
                    Text(Child(metadata, "labels"), ComponentYaml.ManagedBy) == ComponentYaml.Governor,
                    Text(Child(metadata, "annotations"), ComponentYaml.Configuration),
                    Text(Child(metadata, "annotations"), ComponentYaml.Credentials)))];
        }
        catch (YamlException e)
        {
            WarnOnce(name, e.Message);
            return [];
        }
    }

    private static YamlMappingNode? Child(YamlMappingNode? node, string key) =>
        node is not null && node.Children.TryGetValue(key, out var child) ? child as YamlMappingNode : null;

    private static string? Text(YamlMappingNode? node, string key) =>
        node is not null && node.Children.TryGetValue(key, out var child) && child is YamlScalarNode { Value: { Length: > 0 } value } ? value : null;

    private sealed record FoundComponent(string Name, bool IsOurs, string? Configuration, string? Versions);

    private void WarnOnce(string name, string reason)
    {
        if (_warned.Add(name))
            LogUnreadable(name, folder, reason);
    }

    [LoggerMessage(2102, LogLevel.Warning, "{Name} in {Folder} cannot be read as YAML; daprd may not be able to either. It is left alone: {Reason}")]
    private partial void LogUnreadable(string name, string folder, string reason);
}
