using System.Collections.Concurrent;
using Governor.Contracts;
using Governor.Messaging.Sealing;

namespace Governor.Survival.Tests.Fleet;

/// <summary>Keys of Agents, and what is sealed to them; made once for all histories, because both are costly.</summary>
internal static class FleetKeys
{
    /// <summary>The entry that every credential has.</summary>
    public const string Entry = "token";

    private const int Most = 200_000;
    private static readonly SealingKeyPair[] All = [.. Enumerable.Range(0, 16).Select(_ => SealingKeyPair.Create())];

    private static readonly ConcurrentDictionary<(string Kid, string RuntimeId, long Generation, string Versions), string> Sealed = new();

    /// <summary>What every Agent begins with.</summary>
    public static SealingKeyPair First => All[0];

    /// <summary>The key that an Agent makes after it has lost one.</summary>
    public static SealingKeyPair After(SealingKeyPair lost) => All[(Array.IndexOf(All, lost) + 1) % All.Length];

    public static SealingKeyPair Of(string kid) => All[IndexOf(kid)];

    /// <summary>Its number; -1 if it is none of the fleet's.</summary>
    public static int IndexOf(string? kid) => Array.FindIndex(All, key => key.PublicKey.Kid == kid);

    /// <summary>The message with its secrets, sealed as a Director seals them.</summary>
    public static DesiredState Seal(Whole whole)
    {
        if (whole.Kid is null)
            return whole.Desired;

        if (Sealed.Count > Most)
            Sealed.Clear();
        var versions = string.Join(' ', whole.Desired.Credentials.Select(c => c.VersionId));
        return whole.Desired with
        {
            Secrets = Sealed.GetOrAdd((whole.Kid, whole.RuntimeId, whole.Generation, versions), key => RuntimeSecrets.Seal(
                [.. whole.Desired.Credentials.Select(c => new CredentialSecrets(c.Name, c.VersionId, EntriesOf(c.Name, c.Version)))],
                key.RuntimeId, key.Generation, Of(key.Kid).PublicKey)),
        };
    }

    /// <summary>What a version holds.</summary>
    public static Dictionary<string, string> EntriesOf(string credential, int version) =>
        new(StringComparer.Ordinal) { [Entry] = $"{credential} {version}" };
}
