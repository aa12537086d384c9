using Governor.Messaging.Sealing;

namespace Governor.Agent.DaprFolder.Secrets;

/// <summary>Moves components that a message leaves as they are to the credential versions that it brings: those of a refused or
/// failed configuration, and those whose place a refused one was to take. A rotation must not wait for what may be refused
/// forever.</summary>
internal sealed class KeptContent(string folder, SecretStores stores)
{
    /// <summary>Moves a component that is as it was written; of its file, only the line that names the store changes. Where the
    /// versions are the same, what was done to the store is repaired.</summary>
    internal void Move(string component, GivenSecrets given, FolderMark mark, FolderSnapshot found)
    {
        var path = Path.Combine(folder, component + ".yaml");
        if (!mark.Written.TryGetValue(component, out var hash) || !File.Exists(path))
            return;
        var content = File.ReadAllBytes(path);
        if (FolderReader.Hash(content) != hash || ComponentYaml.StoreOf(content) is not { } id || !mark.Stores.TryGetValue(id, out var store)
            || Target(id, store, given) is not { } target || found.ForeignHolder(target.StoreName) is not null)
        {
            return;
        }

        stores.Write(target, mark);
        var moved = ComponentYaml.WithStore(content, target.Id);
        AtomicFile.Write(path, moved);
        mark.Written[component] = FolderReader.Hash(moved);
        if (mark.Configurations.GetValueOrDefault(mark.Files[component])?.Components is { } applied && applied.ContainsKey(component))
            applied[component] = mark.Written[component];
    }

    /// <summary>The versions to refer to: what the message brings, if it has every entry that the old one had; else what is
    /// there. Null if that was changed, for nobody has it any more.</summary>
    private SecretSet? Target(string id, StoreMark store, GivenSecrets given)
    {
        var target = new List<CredentialSecrets>();
        foreach (var (name, old) in store.Credentials)
        {
            if (given.Find(name) is { } brought && old.Keys.All(brought.Entries.ContainsKey))
                target.Add(brought);
            else if (stores.Read(id)?.GetValueOrDefault(name) is { } entries)
                target.Add(new CredentialSecrets(name, old.VersionId, entries));
            else
                return null;
        }

        return new SecretSet(target);
    }
}
