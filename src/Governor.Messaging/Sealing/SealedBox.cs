using System.Text.Json;
using Governor.Contracts;
using Jose;

namespace Governor.Messaging.Sealing;

/// <summary>Bytes that only the owner of a key can read: a compact JWE (RFC 7516) with ECDH-ES in direct key agreement
/// (RFC 7518 §4.6) and A256GCM. Its protected header is readable by all and can be changed by nobody.</summary>
public static class SealedBox
{
    private const string Algorithm = "ECDH-ES";
    private const string Encryption = "A256GCM";

    // Nobody who follows this format sends them: compressed, a small text could unfold to a huge one; and what is critical
    // (RFC 7516 §4.1.13) must be understood.
    private static readonly string[] Refused = ["zip", "crit"];

    /// <summary>Seals bytes.</summary>
    /// <param name="plaintext">The bytes.</param>
    /// <param name="recipient">Who may open them; its <c>kid</c> goes into the header.</param>
    /// <param name="header">What else the protected header says.</param>
    /// <returns>The compact JWE.</returns>
    public static string Seal(byte[] plaintext, AgentPublicKey recipient, IReadOnlyDictionary<string, object> header)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        return JWT.EncodeBytes(plaintext, new Jwk(recipient.Crv, recipient.X, recipient.Y, d: null), JweAlgorithm.ECDH_ES, JweEncryption.A256GCM,
            extraHeaders: new Dictionary<string, object>(header, StringComparer.Ordinal) { ["kid"] = recipient.Kid });
    }

    /// <summary>Reads the protected header, which is not yet proved to be genuine.</summary>
    /// <returns>The header; null if the text is no such JWE, or one of another algorithm.</returns>
    public static JsonElement? Header(string sealedText)
    {
        ArgumentNullException.ThrowIfNull(sealedText);
        if (sealedText.Count(c => c == '.') != 4)
            return null;
        try
        {
            var encoded = sealedText[..sealedText.IndexOf('.', StringComparison.Ordinal)];
            var header = JsonSerializer.Deserialize<JsonElement>(System.Buffers.Text.Base64Url.DecodeFromChars(encoded));
            return Text(header, "alg") == Algorithm && Text(header, "enc") == Encryption && HasKey(header)
                && !Refused.Any(name => header.TryGetProperty(name, out _)) ? header : null;
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            return null;
        }
    }

    /// <summary>Opens what was sealed.</summary>
    /// <param name="sealedText">The compact JWE.</param>
    /// <param name="key">The key that it was sealed to.</param>
    /// <returns>The bytes, and the header they were sealed with; null if it was sealed to another key, changed, or is no such
    /// JWE: who cannot open it cannot tell which.</returns>
    public static OpenedBox? Open(string sealedText, SealingKeyPair key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (Header(sealedText) is not { } header)
            return null;
        try
        {
            return new OpenedBox(header, JWT.DecodeBytes(sealedText, key.Private, JweAlgorithm.ECDH_ES, JweEncryption.A256GCM));
        }
        catch (Exception e) when (e is JoseException or ArgumentException or FormatException or InvalidOperationException
            or KeyNotFoundException or InvalidCastException or System.Security.Cryptography.CryptographicException)
        {
            return null;
        }
    }

    /// <summary>Whether there is an ephemeral key of the right kind. The library takes its parts for granted.</summary>
    private static bool HasKey(JsonElement header) =>
        header.TryGetProperty("epk", out var key) && Text(key, "kty") == "EC" && Text(key, "crv") == "P-256"
            && Text(key, "x") is not null && Text(key, "y") is not null;

    /// <summary>A text of a header, if it has one of that name.</summary>
    internal static string? Text(JsonElement header, string name) =>
        header.ValueKind is JsonValueKind.Object && header.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String
            ? value.GetString() : null;
}

/// <summary>What was sealed.</summary>
/// <param name="Header">The protected header, genuine.</param>
/// <param name="Plaintext">The bytes.</param>
public sealed record OpenedBox(JsonElement Header, byte[] Plaintext);
