using System.Text.Json;
using Governor.Contracts;

namespace Governor.Agent.DaprFolder.Secrets;

/// <summary>The secret stores in a resources folder: per set of credential versions a file with its secrets, and a store
/// component through which daprd reads it.</summary>
/// <param name="folder">The folder.</param>
/// <param name="seenAs">The same folder as the sidecar sees it.</param>
/// <param name="macs">What was written.</param>
internal sealed class SecretStores(string folder, string seenAs, SecretMacs macs)
{
    private const string Tampered = "tampered";

    /// <summary>Puts a set in place, the secrets before the store that names their file. Writes nothing that is there.</summary>
    internal void Write(SecretSet set, FolderMark mark)
    {
        var content = set.Content();
        AtomicFile.Write(FileOf(set.Id), content, secret: true);
        macs.Record(set.Id, content);
        var store = ComponentYaml.RenderStore(set.StoreName, set.Versions, $"{seenAs.TrimEnd('/')}/{SecretSet.FileNameOf(set.Id)}");
        AtomicFile.Write(StoreOf(set.Id), store);
        mark.Stores[set.Id] = new StoreMark(FolderReader.Hash(store), new(set.Credentials.ToDictionary(
            credential => credential.Name,
            credential => new CredentialMark(credential.VersionId, [.. credential.Entries.Keys.Order(StringComparer.Ordinal)]),
            StringComparer.Ordinal), StringComparer.Ordinal));
    }

    /// <summary>Reads back a set's secrets by credential and entry; null if they are gone or not what was written.</summary>
    internal Dictionary<string, Dictionary<string, string>>? Read(string id) =>
        Look(id, macs.Load()) is { IsWhole: true, Content: { } content }
            ? JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(content)
            : null;

    /// <summary>The credential versions that are there. One whose store is not as it was written is told as tampered as well: nobody
    /// knows what of it is still there.</summary>
    internal IReadOnlyList<ReportedCredential> Observe(FolderMark mark, FolderSnapshot found)
    {
        var known = macs.Load();
        var held = new HashSet<ReportedCredential>();
        foreach (var id in mark.Stores.Keys.Union(found.Stores.Keys, StringComparer.Ordinal))
        {
            var marked = mark.Stores.GetValueOrDefault(id);
            var store = found.Stores.GetValueOrDefault(id);
            if (Look(id, known) is not { } file)
                continue; // who has no file holds nothing
            var isWhole = file.IsWhole && marked is not null && store?.Sha256 == marked.Sha256;
            var versions = marked is null
                ? SecretSet.Parse(store?.Versions ?? "")
                : marked.Credentials.Select(credential => (credential.Key, credential.Value.VersionId));
            foreach (var (name, versionId) in versions)
            {
                held.Add(new ReportedCredential(name, versionId));
                if (!isWhole)
                    held.Add(new ReportedCredential(name, Tampered));
            }
        }

        return [.. held.OrderBy(credential => credential.Name, StringComparer.Ordinal).ThenBy(credential => credential.VersionId, StringComparer.Ordinal)];
    }

    /// <summary>Removes what no component of ours refers to any more, stores before their files.</summary>
    internal void RemoveUnused(FolderMark mark, FolderSnapshot found)
    {
        // What cannot be read may refer to anything.
        if (found.IsPartial || !Directory.Exists(folder))
            return;
        var used = found.Own.Values.SelectMany(file => file.Stores).ToHashSet(StringComparer.Ordinal);
        foreach (var id in found.Stores.Keys.Where(id => !used.Contains(id)))
            File.Delete(StoreOf(id));
        foreach (var path in Directory.EnumerateFiles(folder, SecretSet.FileNameOf("*")))
        {
            if (!used.Contains(Path.GetFileNameWithoutExtension(path)[(SecretSet.Prefix.Length + 1)..]))
                File.Delete(path);
        }

        foreach (var gone in mark.Stores.Keys.Where(id => !used.Contains(id)).ToList())
            mark.Stores.Remove(gone);
        macs.Keep(used);
    }

    private SecretFile? Look(string id, SortedDictionary<string, string> known)
    {
        try
        {
            var path = FileOf(id);
            if (!File.Exists(path))
                return null;
            var content = File.ReadAllBytes(path);
            return new SecretFile(content, AtomicFile.IsHidden(path) && macs.Matches(known, id, content));
        }
        catch (FileNotFoundException)
        {
            return null; // gone since it was looked for
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new SecretFile(Content: null, IsWhole: false);
        }
    }

    private string FileOf(string id) => Path.Combine(folder, SecretSet.FileNameOf(id));

    private string StoreOf(string id) => Path.Combine(folder, SecretSet.StoreNameOf(id) + ".yaml");

    private readonly record struct SecretFile(byte[]? Content, bool IsWhole);
}
