namespace Governor.Director.Configurations;

/// <summary>What labels of runtimes look like: as in Kubernetes.</summary>
internal static class LabelSyntax
{
    /// <summary>What a key is, for messages.</summary>
    public const string KeyRule = "1 to 63 letters, digits, '-', '_' and '.', a letter or digit at either end, "
        + "with a DNS name and '/' before it if need be";

    /// <summary>What a value is, for messages.</summary>
    public const string ValueRule = "empty, or 1 to 63 letters, digits, '-', '_' and '.', a letter or digit at either end";

    /// <summary>Whether the text may be a label's key: <see cref="KeyRule"/>.</summary>
    public static bool IsKey(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? IsName(text) : DnsLabel.IsSubdomain(text[..slash]) && IsName(text[(slash + 1)..]);
    }

    /// <summary>Whether the text may be a label's value: <see cref="ValueRule"/>.</summary>
    public static bool IsValue(string text) => text.Length == 0 || IsName(text);

    private static bool IsName(string text) =>
        text.Length is > 0 and <= 63
        && char.IsAsciiLetterOrDigit(text[0])
        && char.IsAsciiLetterOrDigit(text[^1])
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}
