using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Governor.Messaging.Sealing;

namespace Governor.Agent.DaprFolder.Secrets;

/// <summary>The credential versions that one component refers to. Each such set is a secret store of its own, so that a
/// component moves to other versions in one step, the renaming of its file, and never sees a mixture.</summary>
internal sealed partial class SecretSet
{
    /// <summary>What the names of our stores begin with.</summary>
    internal const string Prefix = "governor-secrets-";

    internal SecretSet(IEnumerable<CredentialSecrets> credentials)
    {
        Credentials = [.. credentials.OrderBy(credential => credential.Name, StringComparer.Ordinal)];
        Versions = string.Join('\n', Credentials.Select(credential => $"{credential.Name}@{credential.VersionId}").Order(StringComparer.Ordinal));
        Id = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Versions)))[..16];
    }

    /// <summary>The credentials with their entries, ordered by name.</summary>
    internal IReadOnlyList<CredentialSecrets> Credentials { get; }

    /// <summary>Lines of <c>name@versionId</c>.</summary>
    internal string Versions { get; }

    /// <summary>Follows from names and version ids, never from what they hold.</summary>
    internal string Id { get; }

    /// <summary>Name of the store component.</summary>
    internal string StoreName => StoreNameOf(Id);

    /// <summary>The secret file's content; equal sets give equal bytes.</summary>
    internal byte[] Content() => JsonSerializer.SerializeToUtf8Bytes(new SortedDictionary<string, SortedDictionary<string, string>>(
        Credentials.ToDictionary(
            credential => credential.Name,
            credential => new SortedDictionary<string, string>(credential.Entries.ToDictionary(StringComparer.Ordinal), StringComparer.Ordinal),
            StringComparer.Ordinal),
        StringComparer.Ordinal));

    internal static string StoreNameOf(string id) => Prefix + id;

    /// <summary>Name of a set's secret file, which daprd does not take for a resource.</summary>
    internal static string FileNameOf(string id) => $".{Prefix}{id}.json";

    /// <summary>The id in the name of a store component, or of its file without the ending; null if it is no such name.</summary>
    internal static string? IdIn(string name) => WholeName().Match(name) is { Success: true } match ? match.Groups["id"].Value : null;

    /// <summary>The id in the path of a secret file, or of what a crash left of one before it had that name; null if it is neither.</summary>
    internal static string? IdOfFile(string path) => FileName().Match(Path.GetFileName(path)) is { Success: true } match ? match.Groups["id"].Value : null;

    /// <summary>Ids of all sets whose stores a file of ours mentions.</summary>
    internal static IReadOnlyList<string> MentionedIn(byte[] content) =>
        content.AsSpan().IndexOf("governor-secrets-"u8) < 0
            ? []
            : [.. Mention().Matches(Encoding.UTF8.GetString(content)).Select(match => match.Groups["id"].Value).Distinct(StringComparer.Ordinal)];

    /// <summary>Name and version id in each line of <see cref="Versions"/>; lines of another form are passed over.</summary>
    internal static IEnumerable<(string Name, string VersionId)> Parse(string versions) =>
        from line in versions.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        let at = line.IndexOf('@', StringComparison.Ordinal)
        where at > 0
        select (line[..at], line[(at + 1)..]);

    [GeneratedRegex(@"\Agovernor-secrets-(?<id>[0-9a-f]{16})\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex WholeName();

    [GeneratedRegex(@"\A\.governor-secrets-(?<id>[0-9a-f]{16})\.json(\.[0-9a-f]{32}\.tmp)?\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex FileName();

    [GeneratedRegex("governor-secrets-(?<id>[0-9a-f]{16})", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Mention();
}
