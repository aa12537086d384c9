using System.Net.Mime;
using System.Text.Json;
using Governor.Contracts;

namespace Governor.Director.Commands;

/// <summary>A command's two forms on the wire, and the refusal's.</summary>
internal static class CommandMessage
{
    private const string EnvelopeType = "application/vnd.masstransit+json";
    private const string EnvelopeContent = "message";

    /// <summary>The command in a message's text: the text itself, or what its envelope holds.</summary>
    public static JsonElement In(JsonElement text, ContentType? contentType)
    {
        if (!EnvelopeType.Equals(contentType?.MediaType, StringComparison.OrdinalIgnoreCase) || text.ValueKind is not JsonValueKind.Object)
            return text;

        // As the bus reads it: names in an envelope are not case-sensitive.
        return text.EnumerateObject().FirstOrDefault(p => p.Name.Equals(EnvelopeContent, StringComparison.OrdinalIgnoreCase)).Value;
    }

    /// <summary>A refusal as an answer.</summary>
    public static CommandRejected Rejected(string? commandId, Refusal refusal) => new(
        commandId, refusal.Code, refusal.Detail, refusal.Errors?.Select(e => new CommandError(e.Field, e.Message)).ToList());
}
