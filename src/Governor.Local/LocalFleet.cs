using System.Globalization;
using Governor.Agent;
using Governor.Director.Runtimes;

namespace Governor.Local;

/// <summary>The fleet that is seeded: runtimes named <c>local-1</c> and so on, with regions and tiers to select by.</summary>
internal static class LocalFleet
{
    public const int DefaultRuntimes = 4;
    public const int MaxRuntimes = 200;
    public const string Kind = "standalone-kyma";

    private const string IdPrefix = "local-";

    /// <summary>Short, so that a change by hand is seen and repaired while one watches.</summary>
    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(10);

    /// <summary>The runtimes of a fleet of a size.</summary>
    public static IReadOnlyList<RuntimeRegistration> Registrations(int size) =>
    [
        .. Enumerable.Range(1, size).Select(n => new RuntimeRegistration(
            $"{IdPrefix}{n}", Kind,
            new Dictionary<string, string>
            {
                ["region"] = n % 2 == 1 ? "eu" : "us",
                ["tier"] = (n - 1) / 2 % 2 == 0 ? "prod" : "dev",
            })),
    ];

    /// <summary>Whether a runtime's id is one of a fleet of any size: these ids are this program's own.</summary>
    public static bool IsSeeded(string runtimeId) =>
        runtimeId.StartsWith(IdPrefix, StringComparison.Ordinal)
        && int.TryParse(runtimeId.AsSpan(IdPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var n)
        && n is >= 1 and <= MaxRuntimes;

    /// <summary>Their Agents.</summary>
    public static IReadOnlyList<AgentOptions> Agents(LocalFolder folder, int size) =>
    [
        .. Registrations(size).Select(r => new AgentOptions
        {
            RuntimeId = r.RuntimeId, Kind = r.Kind, ReportInterval = ReportInterval,
            ResourcesPath = folder.Resources(r.RuntimeId), StatePath = folder.AgentState(r.RuntimeId),
        }),
    ];
}
