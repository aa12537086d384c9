namespace Governor.Director.Configurations;

/// <summary>The kinds of runtime that there are.</summary>
internal static class RuntimeKinds
{
    /// <summary>All of them, by the names that are used on the wire.</summary>
    public static readonly IReadOnlyList<string> All = ["managed-kyma", "standalone-kyma", "service-catalog", "cloud-foundry"];

    /// <summary>Whether there is such a kind.</summary>
    public static bool IsKnown(string kind) => All.Contains(kind, StringComparer.Ordinal);
}
