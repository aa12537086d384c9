using System.Text.Json;
using System.Text.RegularExpressions;

namespace Governor.Director.Configurations;

/// <summary>Recognises settings that plainly are a secret in clear: by the last words of their name, case and separators
/// aside, or by a password inside a connection string or URL. It is a guard rail, not a scanner: what only might be a secret
/// passes, because an author who is stopped without reason turns the check off.</summary>
internal static partial class PlaintextSecrets
{
    // A secret is named last: "redisPassword" is one; "passwordFile", "secretName", "tokenType", "accessKeyId" tell about one.
    private static readonly string[] SecretEndings =
    [
        "password", "passwords", "passwd", "pwd", "passphrase", "secret", "secrets", "token",
        "apikey", "accesskey", "accountkey", "privatekey", "secretkey", "signingkey", "encryptionkey", "masterkey", "sharedkey",
    ];

    private static readonly string[] ConnectionStringEndings = ["connectionstring", "connectionstrings", "connstring", "connstr", "dsn"];

    /// <summary>Whether this setting holds a secret in clear, itself or deeper in its value.</summary>
    /// <param name="name">Name of the setting, or of the field within its value.</param>
    /// <param name="value">Its value.</param>
    public static bool IsIn(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Any(member => Text(() => member.Name) is { } key && IsIn(key, member.Value)),
        JsonValueKind.Array => value.EnumerateArray().Any(item => IsIn(name, item)),
        JsonValueKind.String => Text(value.GetString) is { } text && IsSecret(name, text),
        JsonValueKind.Number => NamesSecret(name),
        _ => false, // true, false and null hold none: "usePassword", "token"
    };

    private static bool IsSecret(string name, string text)
    {
        // "" is how examples say "no password"; "true" is a switch that happens to be written as text.
        if (string.IsNullOrWhiteSpace(text) || bool.TryParse(text, out _)) return false;
        return NamesSecret(name)
            || UrlWithPassword().IsMatch(text)
            || text.Contains("PRIVATE KEY-----", StringComparison.Ordinal)
            || (EndsWithAny(name, ConnectionStringEndings) && ConnectionStringWithPassword().IsMatch(text));
    }

    private static bool NamesSecret(string name) => EndsWithAny(name, SecretEndings);

    private static bool EndsWithAny(string name, string[] endings)
    {
        var letters = string.Concat(name.Where(char.IsAsciiLetterOrDigit));
        return endings.Any(ending => letters.EndsWith(ending, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>A string of the document, null if it is no valid Unicode: others complain about that.</summary>
    private static string? Text(Func<string?> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@]+@",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex UrlWithPassword();

    // "…;Password=x", "host=h password=x", "AccountKey=x", and the driver form "user:x@tcp(host)".
    [GeneratedRegex(@"(?:password|pwd|passwd|accountkey|accesskey|sharedaccesssignature|secret|token)\s*=\s*[^\s;]|^[^\s:/@;=]+:[^\s@]+@",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex ConnectionStringWithPassword();
}
