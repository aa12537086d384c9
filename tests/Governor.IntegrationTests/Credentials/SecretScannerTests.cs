using System.Net;
using System.Text;
using System.Text.Json;

namespace Governor.IntegrationTests.Credentials;

/// <summary>A scan that finds nothing says something only if the scanner finds.</summary>
public sealed class SecretScannerTests
{
    private const string Secret = "p\"ä\\ß/<+€> 𝄞-7d1c-0";

    public static TheoryData<string> Carriers => [.. Carried.Keys];

    private static Dictionary<string, Func<string, string>> Carried { get; } = new(StringComparer.Ordinal)
    {
        ["as it is"] = text => text,
        ["JSON"] = text => JsonSerializer.Serialize(new { text }),
        ["JSON in JSON"] = text => JsonSerializer.Serialize(JsonSerializer.Serialize(text, Relaxed), Relaxed),
        ["relaxed JSON"] = text => JsonSerializer.Serialize(text, Relaxed),
        ["JSON in a dump"] = text => JsonSerializer.Serialize(text).Replace("\\", "\\\\", StringComparison.Ordinal),
        ["URL"] = Uri.EscapeDataString,
        ["form"] = WebUtility.UrlEncode,
        ["hex"] = text => Convert.ToHexString(Encoding.UTF8.GetBytes(text)),
        ["small hex"] = text => Convert.ToHexStringLower(Encoding.UTF8.GetBytes(text)),
        ["JSON in hex"] = text => Convert.ToHexStringLower(JsonSerializer.SerializeToUtf8Bytes(text)),
        ["base64"] = Base64,
        ["base64 after 1"] = text => Base64($"x{text}yz"),
        ["base64 after 2"] = text => Base64($"xx{text}y"),
        ["base64 after 3"] = text => Base64($"xxx{text}"),
        ["JSON in base64"] = text => Base64(JsonSerializer.Serialize(new { text })),
        ["base64url"] = text => Base64($"x{text}").Replace('+', '-').Replace('/', '_'),
        ["base64 in hex"] = text => Convert.ToHexStringLower(Encoding.ASCII.GetBytes(Base64($"xx{text}"))),
    };

    private static JsonSerializerOptions Relaxed { get; } = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [Theory]
    [MemberData(nameof(Carriers))]
    public void Given_a_text_that_was_carried_along_in_some_form_When_scanned_Then_it_is_found_and_no_other(string carrier)
    {
        var bytes = Encoding.UTF8.GetBytes($"before {Carried[carrier](Secret)} after");

        Assert.NotEmpty(new SecretScanner(Secret).FindIn(bytes));
        Assert.Empty(new SecretScanner(Secret.Replace("7d1c", "7d2c", StringComparison.Ordinal)).FindIn(bytes));
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
