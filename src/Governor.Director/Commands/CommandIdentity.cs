using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json;
using Governor.Director.Configurations;

namespace Governor.Director.Commands;

/// <summary>What tells a command from another: its sender's name for it, and a hash of all that it asks for.</summary>
/// <param name="Tenant">The tenant that it is for.</param>
/// <param name="Id">The sender's name for it, unique within the tenant.</param>
/// <param name="RequestHash">Lower-case hex SHA-256 of what is asked for.</param>
/// <param name="Reused">The answer if the name stands for something else already.</param>
internal sealed record CommandIdentity(string Tenant, string Id, string RequestHash, Refusal Reused)
{
    /// <summary>What a command's name must be, to be read after the name of its field.</summary>
    public const string Rule = "must be 1 to 200 printable ASCII characters";

    private const int MaxLength = 200;

    /// <summary>Whether a text may name a command.</summary>
    public static bool IsValid([NotNullWhen(true)] string? id) =>
        !string.IsNullOrWhiteSpace(id) && id.Length <= MaxLength && id.All(c => c is >= ' ' and <= '~');

    /// <summary>A command from the bus.</summary>
    /// <param name="tenant">The tenant that it is for.</param>
    /// <param name="id">Its <c>commandId</c>.</param>
    /// <param name="queue">The queue that it came by, which is its kind.</param>
    /// <param name="body">Its whole content.</param>
    /// <exception cref="FormatException">The content has no canonical form.</exception>
    public static CommandIdentity OfCommand(string tenant, string id, string queue, JsonElement body) => new(
        tenant, id, Hash(CanonicalJson.Serialize(body), queue, tenant),
        new Refusal(StatusCodes.Status422UnprocessableEntity, "command-id-reused",
            "This `commandId` was used for another command. Repeat a command unchanged, and give each new one an id of its own."));

    /// <summary>A request over HTTP.</summary>
    /// <param name="tenant">The tenant that it is for.</param>
    /// <param name="id">Its <c>Idempotency-Key</c>.</param>
    /// <param name="body">Its body; may be empty.</param>
    /// <param name="asks">What it asks for beside the body: method, path, preconditions.</param>
    public static CommandIdentity OfRequest(string tenant, string id, byte[] body, params ReadOnlySpan<string> asks) => new(
        tenant, id, Hash(Canonical(body), [tenant, .. asks]),
        new Refusal(StatusCodes.Status422UnprocessableEntity, "idempotency-key-reused",
            "This `Idempotency-Key` was used for another request. Repeat a request unchanged, and give each new one a key of its own."));

    /// <summary>The same content, however it is written; what has no canonical form stands for itself.</summary>
    private static byte[] Canonical(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return CanonicalJson.Serialize(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            return body;
        }
    }

    private static string Hash(byte[] body, params ReadOnlySpan<string> asks)
    {
        // As a JSON array: no text can be mistaken for two, as it could after plain concatenation.
        var head = JsonSerializer.SerializeToUtf8Bytes(asks.ToArray());
        return Convert.ToHexStringLower(SHA256.HashData([.. head, .. body]));
    }
}
