using Governor.Messaging.Sealing;

namespace Governor.Survival.Tests.Fleet;

/// <summary>Keys of Agents, made once for all histories: making one is costly.</summary>
internal static class FleetKeys
{
    private static readonly SealingKeyPair[] All = [.. Enumerable.Range(0, 4).Select(_ => SealingKeyPair.Create())];

    /// <summary>What every Agent begins with.</summary>
    public static SealingKeyPair First => All[0];

    /// <summary>The key that an Agent makes after it has lost one.</summary>
    public static SealingKeyPair After(SealingKeyPair lost) => All[(Array.IndexOf(All, lost) + 1) % All.Length];
}
