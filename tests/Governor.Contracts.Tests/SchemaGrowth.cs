using System.Text.Json.Nodes;

namespace Governor.Contracts.Tests;

/// <summary>Finds what breaks those who were written for an older schema: contracts only grow.</summary>
internal static class SchemaGrowth
{
    // What makes up a field's type; its description may change.
    private static readonly string[] TypeKeywords = ["type", "format", "pattern", "$ref", "items", "additionalProperties", "oneOf"];

    public static IReadOnlyList<string> Breaks(JsonObject before, JsonObject now)
    {
        var breaks = new List<string>();
        CompareObject("", before, now, breaks);
        foreach (var (name, definition) in Members(before, "definitions"))
        {
            if (now["definitions"]?[name] is JsonObject still)
                CompareObject($"{name}.", definition, still, breaks);
            else
                breaks.Add($"{name} is gone");
        }

        return breaks;
    }

    private static void CompareObject(string path, JsonObject before, JsonObject now, List<string> breaks)
    {
        foreach (var (name, property) in Members(before, "properties"))
        {
            if (now["properties"]?[name] is not JsonObject still)
                breaks.Add($"{path}{name} is gone");
            else if (TypeKeywords.Any(keyword => !JsonNode.DeepEquals(property[keyword], still[keyword])))
                breaks.Add($"{path}{name} has another type");
        }

        breaks.AddRange(Texts(now, "required").Except(Texts(before, "required"), StringComparer.Ordinal).Select(name => $"{path}{name} is now required"));
        breaks.AddRange(Texts(before, "enum").Except(Texts(now, "enum"), StringComparer.Ordinal).Select(value => $"{path}{value} is no value any more"));
    }

    private static IEnumerable<(string Name, JsonObject Value)> Members(JsonObject schema, string keyword) =>
        (schema[keyword]?.AsObject() ?? []).Select(member => (member.Key, member.Value!.AsObject()));

    private static IEnumerable<string> Texts(JsonObject schema, string keyword) =>
        (schema[keyword]?.AsArray() ?? []).Select(value => value!.GetValue<string>());
}
