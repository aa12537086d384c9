using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Governor.IntegrationTests.Credentials;

/// <summary>Finds a text in bytes in whatever form it was carried along: as UTF-8, escaped for JSON, URLs or a dump, and any of
/// these in base64 or hex.</summary>
internal sealed partial class SecretScanner
{
    private readonly IReadOnlyList<(string Form, byte[] Bytes)> forms;

    public SecretScanner(string text) => forms =
        [.. from plain in Plain(text) from wrapped in Wrapped(plain.Text) select ($"{plain.Form}, {wrapped.Form}", Encoding.ASCII.GetBytes(wrapped.Text)),
            .. Plain(text).Select(plain => (plain.Form, Encoding.UTF8.GetBytes(plain.Text)))];

    /// <summary>The forms in which the text is there; none if it is not.</summary>
    public IReadOnlyList<string> FindIn(byte[] bytes) =>
        [.. forms.Where(form => bytes.AsSpan().IndexOf(form.Bytes) >= 0).Select(form => form.Form).Distinct(StringComparer.Ordinal)];

    private static IEnumerable<(string Form, string Text)> Plain(string text)
    {
        var strict = JsonEncodedText.Encode(text).ToString();
        var relaxed = JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString();
        var ascii = string.Concat(relaxed.Select(c => char.IsAscii(c) ? $"{c}" : $@"\u{(int)c:x4}"));
        var once = new[] { ("text", text), ("JSON", strict), ("JSON", Escape().Replace(strict, m => m.Value.ToLowerInvariant())), ("relaxed JSON", relaxed), ("ASCII JSON", ascii) };
        var url = new[]
        {
            ("URL", Uri.EscapeDataString(text)), ("URL", Uri.EscapeDataString(text).Replace("%20", "+", StringComparison.Ordinal)),
            ("URL", WebUtilityLower(text)),
        };
        // JSON inside of JSON, and JSON in a dump, whose own escape is the backslash.
        var twice = once.Select(o => ($"{o.Item1} in JSON", JsonEncodedText.Encode(o.Item2, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString()));
        var dumped = once.Concat(twice).Select(o => ($"{o.Item1} in a dump", o.Item2.Replace(@"\", @"\\", StringComparison.Ordinal)));
        return once.Concat(url).Concat(twice).Concat(dumped).DistinctBy(form => form.Item2, StringComparer.Ordinal);
    }

    private static string WebUtilityLower(string text) => string.Concat(
        Uri.EscapeDataString(text).Split('%').Select((part, i) => i == 0 ? part : $"%{part[..2].ToLowerInvariant()}{part[2..]}"));

    private static IEnumerable<(string Form, string Text)> Wrapped(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        yield return ("hex", Convert.ToHexString(bytes));
        yield return ("hex", Convert.ToHexStringLower(bytes));
        for (var before = 0; before < 3; before++)
        {
            var within = WithinBase64(bytes, before);
            var urlSafe = within.Replace('+', '-').Replace('/', '_');
            yield return ("base64", within);
            yield return ("base64url", urlSafe);
            yield return ("base64 in hex", Convert.ToHexStringLower(Encoding.ASCII.GetBytes(within)));
            yield return ("base64url in hex", Convert.ToHexStringLower(Encoding.ASCII.GetBytes(urlSafe)));
        }
    }

    /// <summary>The characters of a longer base64 text that depend on these bytes alone, with so many bytes before them.</summary>
    private static string WithinBase64(byte[] bytes, int before)
    {
        var encoded = Convert.ToBase64String([.. new byte[before], .. bytes]).TrimEnd('=');
        var first = ((before * 8) + 5) / 6;
        var last = (before + bytes.Length) * 8 / 6;
        return encoded[first..last];
    }

    [GeneratedRegex(@"\\u[0-9A-F]{4}", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Escape();
}
