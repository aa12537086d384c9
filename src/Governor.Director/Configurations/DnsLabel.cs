using System.Buffers;

namespace Governor.Director.Configurations;

/// <summary>Names that become queue names, routing keys and file names.</summary>
internal static class DnsLabel
{
    private static readonly SearchValues<char> Allowed = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    /// <summary>What a label is, for messages.</summary>
    public const string Rule = "1 to 63 of a-z, 0-9 and '-', neither first nor last a '-'";

    /// <summary>What a dotted name is, for messages.</summary>
    public const string SubdomainRule = "1 to 253 of a-z, 0-9, '-' and '.', with a letter or digit at either end of each part";

    /// <summary>Whether the text is a DNS label as configurations and runtimes are named: <see cref="Rule"/>.</summary>
    public static bool IsValid(string? text) => text is { Length: <= 63 } && IsLabel(text);

    /// <summary>Whether the text is labels with dots between them, as components are named: <see cref="SubdomainRule"/>.
    /// Longer labels than 63 are let through, as Kubernetes does.</summary>
    public static bool IsSubdomain(string? text)
    {
        if (text is null or { Length: > 253 }) return false;
        foreach (var part in text.AsSpan().Split('.'))
        {
            if (!IsLabel(text.AsSpan(part))) return false;
        }

        return true;
    }

    private static bool IsLabel(ReadOnlySpan<char> text) =>
        text is [not '-', ..] and [.., not '-']
        && !text.ContainsAnyExcept(Allowed);
}
