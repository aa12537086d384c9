using System.Text.Json;
using MassTransit.Serialization;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Headers and transport properties as JSON objects.</summary>
internal static class OutboxJson
{
    /// <summary>A JSON object, or null for no entries.</summary>
    public static string? Write(IEnumerable<KeyValuePair<string, object>> entries)
    {
        var dictionary = new Dictionary<string, object>(entries, StringComparer.Ordinal);
        return dictionary.Count == 0 ? null : JsonSerializer.Serialize(dictionary, SystemTextJsonMessageSerializer.Options);
    }

    /// <summary>The entries of a JSON object; numbers, texts and truth values come back as such, not as JSON elements.</summary>
    public static Dictionary<string, object> Read(string? json)
    {
        var entries = new Dictionary<string, object>(StringComparer.OrdinalIgnoreCase);
        if (json is null)
            return entries;

        using var document = JsonDocument.Parse(json);
        foreach (var property in document.RootElement.EnumerateObject())
            if (Value(property.Value) is { } value)
                entries[property.Name] = value;
        return entries;
    }

    private static object? Value(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => element.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number when element.TryGetInt32(out var number) => number,
        JsonValueKind.Number when element.TryGetInt64(out var number) => number,
        JsonValueKind.Number => element.GetDouble(),
        _ => element.Clone(),
    };
}
