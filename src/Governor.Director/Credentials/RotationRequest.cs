using System.Globalization;
using System.Text;
using System.Text.Json;
using Governor.Director.Configurations;

namespace Governor.Director.Credentials;

/// <summary>A request for a new version, checked.</summary>
/// <param name="Entries">The secrets, by the name of their entry.</param>
/// <param name="Policy">How to roll it out.</param>
/// <param name="ExpiresAt">When the secrets stop working, if the client says so.</param>
internal sealed record RotationRequest(
    IReadOnlyDictionary<string, string> Entries, RolloutPolicy Policy, DateTimeOffset? ExpiresAt);

/// <summary>Reads requests for new versions. Nothing that it says quotes an entry's value.</summary>
internal static class RotationRequestParser
{
    /// <summary>Most bytes of a credential's entries, names and values together.</summary>
    public const int MaxBytes = 64 * 1024;

    private const int MaxEntries = 100;
    private const int MaxNameLength = 253;

    /// <summary>Reads the body of <c>POST /api/v1/credentials/{name}/rotations</c>.</summary>
    public static Outcome<RotationRequest> Parse(ReadOnlyMemory<byte> utf8Json, DateTimeOffset now)
    {
        try
        {
            using var document = ConfigurationRequestParser.Read(utf8Json);
            var errors = new RequestErrors();
            if (new RequestNode(document.RootElement, "$", errors).AsObject("entries", "policy", "expiresAt") is not { } body)
                return errors.ToRefusal();

            var entries = ReadEntries(body.Required("entries", "give the secrets, {\"name\": \"value\"}"));
            var policy = RolloutPolicyReader.Read(body["policy"], ofRotation: true);
            var expiresAt = ReadExpiry(body["expiresAt"], now);
            if (errors.Any)
                return errors.ToRefusal();
            return TooLarge(entries) is { } tooLarge ? tooLarge : new RotationRequest(entries, policy, expiresAt);
        }
        catch (JsonException e)
        {
            return ConfigurationRequestParser.Malformed(e);
        }
    }

    /// <summary>Reads entries that were sealed: the text is the JSON object of them.</summary>
    /// <returns>The entries, or what is wrong with them.</returns>
    public static Outcome<Dictionary<string, string>> ParseEntries(ReadOnlyMemory<byte> utf8Json)
    {
        try
        {
            using var document = ConfigurationRequestParser.Read(utf8Json);
            var errors = new RequestErrors();
            var entries = ReadEntries(new RequestNode(document.RootElement, "entries", errors));
            if (errors.Any)
                return errors.ToRefusal();
            return TooLarge(entries) is { } refusal ? refusal : entries;
        }
        catch (JsonException e)
        {
            return ConfigurationRequestParser.Malformed(e);
        }
    }

    /// <summary>Reads when the secrets stop working.</summary>
    public static DateTimeOffset? ReadExpiry(RequestNode? node, DateTimeOffset now)
    {
        if (node?.AsString() is not { } text)
            return null;
        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) && at > now)
            return at.ToUniversalTime();
        node.Invalid("must be a moment to come, in ISO 8601, for example 2030-01-31T00:00:00Z.");
        return null;
    }

    private static Dictionary<string, string> ReadEntries(RequestNode? node)
    {
        var entries = new Dictionary<string, string>(StringComparer.Ordinal);
        if (node?.AsMembers() is not { } members)
            return entries;

        if (members.Count is 0 or > MaxEntries)
            node.Invalid($"must have 1 to {MaxEntries} entries.");
        foreach (var (name, value) in members)
        {
            // What a Secret of Kubernetes takes as a key: every kind of runtime can hold it.
            if (name.Length is 0 or > MaxNameLength || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
                value.Errors.Malformed("invalid-name", value.Path, $"must be named by 1 to {MaxNameLength} letters, digits, '-', '_' and '.'.");
            else if (value.AsText() is { } text)
                entries.Add(name, text);
        }

        return entries;
    }

    private static Refusal? TooLarge(Dictionary<string, string> entries)
    {
        var bytes = entries.Sum(e => Encoding.UTF8.GetByteCount(e.Key) + Encoding.UTF8.GetByteCount(e.Value));
        return bytes <= MaxBytes ? null : new Refusal(StatusCodes.Status413PayloadTooLarge, "credential-too-large",
            $"The entries are {bytes} bytes; at most {MaxBytes} are possible. Split them into several credentials.");
    }
}
