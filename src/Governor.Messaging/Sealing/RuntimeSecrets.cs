using System.Text.Json;
using Governor.Contracts;

namespace Governor.Messaging.Sealing;

/// <summary>The secrets of one message to one runtime: sealed to its key, and bound to its id and to the message's generation,
/// so that moved to another runtime or replayed under another generation they open nothing.</summary>
public static class RuntimeSecrets
{
    private const string Runtime = "sub";
    private const string Generation = "generation";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>Seals the secrets of a message.</summary>
    /// <param name="credentials">Every credential version that the message assigns.</param>
    /// <param name="runtimeId">The runtime addressed.</param>
    /// <param name="generation">The message's generation.</param>
    /// <param name="key">The runtime's pinned key.</param>
    /// <returns>A compact JWE, for <see cref="DesiredState.Secrets"/>.</returns>
    public static string Seal(IReadOnlyList<CredentialSecrets> credentials, string runtimeId, long generation, AgentPublicKey key) =>
        SealedBox.Seal(JsonSerializer.SerializeToUtf8Bytes(credentials, Json), key,
            new Dictionary<string, object>(StringComparer.Ordinal) { [Runtime] = runtimeId, [Generation] = generation });

    /// <summary>Opens the secrets of a message.</summary>
    /// <param name="secrets">What <see cref="DesiredState.Secrets"/> holds.</param>
    /// <param name="runtimeId">The runtime whose message it is.</param>
    /// <param name="generation">The generation that the message states.</param>
    /// <param name="key">The runtime's key.</param>
    /// <returns>The secrets; null if they are sealed to another key, belong to another message, or were changed.</returns>
    public static IReadOnlyList<CredentialSecrets>? Open(string secrets, string runtimeId, long generation, SealingKeyPair key)
    {
        if (SealedBox.Open(secrets, key) is not { } opened || SealedBox.Text(opened.Header, Runtime) != runtimeId
            || !opened.Header.TryGetProperty(Generation, out var bound) || !bound.TryGetInt64(out var number) || number != generation)
        {
            return null;
        }

        try
        {
            // Whoever knows the public key can seal to it: what comes out is no more trustworthy than any other input.
            var credentials = JsonSerializer.Deserialize<List<CredentialSecrets?>>(opened.Plaintext, Json);
            return credentials?.TrueForAll(credential => credential?.Entries.Values.All(value => value is not null) == true) == true
                ? [.. credentials.OfType<CredentialSecrets>()]
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>The entries of one credential version, in clear: never logged, never kept.</summary>
/// <param name="Name">Name of the credential.</param>
/// <param name="VersionId">Random id of the version.</param>
/// <param name="Entries">Its secrets by key.</param>
public sealed record CredentialSecrets(string Name, string VersionId, IReadOnlyDictionary<string, string> Entries)
{
    /// <summary>Says which version it is, and nothing of what it holds.</summary>
    public override string ToString() => $"{Name} {VersionId} ({Entries.Count} entries)";
}
