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

    /// <summary>Puts a set in place: what the file will hold is recorded first, so that whatever a crash leaves of it is known; the
    /// secrets come before the store that names their file. Writes nothing that is there.</summary>
    internal void Write(SecretSet set, FolderMark mark)
    {
        var content = set.Content();
        macs.Record(set, content);
        AtomicFile.Write(FileOf(set.Id), content, secret: true);
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

    /// <summary>The credential versions that are there: of every secret file, until it is gone, whether or not anything leads to it.
    /// One whose store is not as it was written is told as tampered as well: nobody knows what of it is still there. Of a folder that
    /// cannot be read, all that is known to have been written.</summary>
    internal IReadOnlyList<ReportedCredential> Observe(FolderMark mark, FolderSnapshot found)
    {
        var known = macs.Load();
        var files = FilesOrNull();
        var held = new HashSet<ReportedCredential>();
        foreach (var id in mark.Stores.Keys.Concat(found.Stores.Keys)
            .Concat(files?.Select(file => file.Key) ?? known.Keys).Distinct(StringComparer.Ordinal))
        {
            var marked = mark.Stores.GetValueOrDefault(id);
            var store = found.Stores.GetValueOrDefault(id);
            if ((files is null ? Unreadable : Look(id, known) ?? Leftover(files[id])) is not { } file)
                continue; // who has no file holds nothing
            var isWhole = file.IsWhole && marked is not null && store?.Sha256 == marked.Sha256;
            foreach (var (name, versionId) in Versions(marked, store, known.GetValueOrDefault(id), file))
            {
                held.Add(new ReportedCredential(name, versionId));
                if (!isWhole)
                    held.Add(new ReportedCredential(name, Tampered));
            }
        }

        return [.. held.OrderBy(credential => credential.Name, StringComparer.Ordinal).ThenBy(credential => credential.VersionId, StringComparer.Ordinal)];
    }

    /// <summary>What a secret file holds, by the first that knows. Where nobody does, the file names the credentials at least.</summary>
    private static IEnumerable<(string Name, string VersionId)> Versions(StoreMark? marked, OwnStore? store, string? recorded, SecretFile file)
    {
        if (marked is not null)
            return marked.Credentials.Select(credential => (credential.Key, credential.Value.VersionId));
        return new[] { recorded, store?.Versions }.Select(versions => SecretSet.Parse(versions ?? "").ToList()).FirstOrDefault(told => told.Count > 0)
            ?? Names(file.Content).Select(name => (name, Tampered));
    }

    /// <summary>Removes what no component of ours refers to any more. A file goes before its store: while it is there, that says of what
    /// version it is, after a crash and without the mark as well. A sidecar that starts in between passes over a store without
    /// a file.</summary>
    internal void RemoveUnused(FolderMark mark, FolderSnapshot found)
    {
        // What cannot be read may refer to anything.
        if (found.IsPartial || !Directory.Exists(folder))
            return;
        var used = found.Own.Values.SelectMany(file => file.Stores).ToHashSet(StringComparer.Ordinal);
        foreach (var path in Files().Where(file => !used.Contains(file.Key)).SelectMany(file => file))
            File.Delete(path);
        foreach (var id in found.Stores.Keys.Where(id => !used.Contains(id)))
            File.Delete(StoreOf(id));
        foreach (var gone in mark.Stores.Keys.Where(id => !used.Contains(id)).ToList())
            mark.Stores.Remove(gone);
        macs.Keep(used);
    }

    /// <summary>Paths of the secret files, and of what crashes left of them, by the set that they are of.</summary>
    private ILookup<string, string> Files() => (Directory.Exists(folder) ? Directory.EnumerateFiles(folder, $".{SecretSet.Prefix}*") : [])
        .Where(path => SecretSet.IdOfFile(path) is not null).ToLookup(path => SecretSet.IdOfFile(path)!, StringComparer.Ordinal);

    private ILookup<string, string>? FilesOrNull()
    {
        try
        {
            return Files();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // whoever reads the stores logs it
        }
    }

    /// <summary>What there is of a set whose file has not got its name.</summary>
    private static SecretFile? Leftover(IEnumerable<string> paths) => paths.Any(File.Exists) ? Unreadable : null;

    private static IEnumerable<string> Names(byte[]? content)
    {
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(content ?? [])?.Keys.Where(ComponentName.IsValid) ?? [];
        }
        catch (JsonException)
        {
            return []; // not as we write them: then nobody can say whose it is
        }
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
            return Unreadable;
        }
    }

    private string FileOf(string id) => Path.Combine(folder, SecretSet.FileNameOf(id));

    private string StoreOf(string id) => Path.Combine(folder, SecretSet.StoreNameOf(id) + ".yaml");

    private static readonly SecretFile? Unreadable = new SecretFile(Content: null, IsWhole: false);

    private readonly record struct SecretFile(byte[]? Content, bool IsWhole);
}
