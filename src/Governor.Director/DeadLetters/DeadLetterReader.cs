using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Governor.Contracts;
using Governor.Director.Persistence;

namespace Governor.Director.DeadLetters;

/// <summary>Makes of a <see cref="DeadLettered"/> what the table can hold. Any client of the broker may have sent it, so nothing
/// in it is relied on: one that could not be stored would come again for ever.</summary>
internal static class DeadLetterReader
{
    private const int IdLength = 64;
    private const int SourceLength = 255;
    private const int TextLength = 4000;

    /// <summary>Of a message that RabbitMQ took all headers fit into one frame, of 128 KiB unless told otherwise.</summary>
    private const int HeadersLength = 100 * 1024;

    /// <summary>The row to store.</summary>
    public static DeadLetter Read(DeadLettered letter)
    {
        var source = StoredText.Of(letter.Source ?? "", SourceLength);
        var isReadable = TryDecode(letter.Body, out var body);
        var reason = StoredText.Of(letter.Reason ?? "", TextLength);
        return new DeadLetter
        {
            DeadLetterId = IdOf(letter, source),
            Source = source,
            Reason = isReadable ? reason : $"{reason} (Its body was not base64, and is not kept.)".TrimStart(),
            ExceptionType = Text(letter.ExceptionType),
            MessageId = Text(letter.MessageId),
            ContentType = Text(letter.ContentType),
            Headers = JsonSerializer.Serialize(HeadersOf(letter), JsonSerializerOptions.Default),
            Body = body,
            DeadLetteredAt = Sane(letter.DeadLetteredAt),
        };
    }

    /// <summary>The headers of a stored dead letter.</summary>
    public static IReadOnlyDictionary<string, string> HeadersOf(string stored) =>
        JsonSerializer.Deserialize<Dictionary<string, string>>(stored, JsonSerializerOptions.Default)!;

    /// <summary>Ids stand in addresses: one that cannot is replaced by another, the same one each time.</summary>
    private static string IdOf(DeadLettered letter, string source) =>
        letter.DeadLetterId is { Length: > 0 and <= IdLength } id && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
            ? id
            : new Guid(SHA256.HashData(Encoding.UTF8.GetBytes($"{source}\n{letter.DeadLetterId}\n{letter.MessageId}\n{letter.Body}"))
                .AsSpan(0, 16)).ToString();

    private static Dictionary<string, string> HeadersOf(DeadLettered letter)
    {
        var headers = new Dictionary<string, string>(StringComparer.Ordinal);
        var left = HeadersLength;
        foreach (var (name, value) in letter.Headers ?? new Dictionary<string, string>())
        {
            var text = value ?? "";
            if ((left -= name.Length + text.Length) < 0)
                break;
            headers[StoredText.Of(name, name.Length)] = StoredText.Of(text, text.Length);
        }

        return headers;
    }

    /// <summary>A time that is missing is that of year 1, which PostgreSQL's driver takes for minus infinity.</summary>
    private static DateTimeOffset Sane(DateTimeOffset at) => at.Year is < 2000 or > 9000 ? DateTimeOffset.UnixEpoch : at.ToUniversalTime();

    private static string? Text(string? text) => text is null ? null : StoredText.Of(text, TextLength);

    private static bool TryDecode(string? base64, out byte[]? body)
    {
        body = null;
        if (base64 is null)
            return true;

        var buffer = new byte[(base64.Length * 3 / 4) + 3];
        if (!Convert.TryFromBase64String(base64, buffer, out var length))
            return false;
        body = buffer[..length];
        return true;
    }
}
