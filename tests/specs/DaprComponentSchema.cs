using System.Text;
using System.Text.Json.Nodes;
using NJsonSchema;
using NJsonSchema.Validation;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Governor.Specs;

/// <summary>Dapr's published schema of a Component, for every test project that looks at files which Dapr shall read.</summary>
internal static class DaprComponentSchema
{
    private static readonly Lazy<Task<JsonSchema>> Published = new(LoadAsync);

    /// <summary>What is wrong with a Component; nothing if it is valid.</summary>
    public static async Task<ICollection<ValidationError>> ValidateAsync(JsonNode component) =>
        (await Published.Value).Validate(component.ToJsonString());

    /// <summary>Reads a YAML file of one document: plain scalars as the JSON that they spell, quoted ones as strings.</summary>
    public static JsonNode ToJson(byte[] yaml)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(Encoding.UTF8.GetString(yaml)));
        return ToJson(Assert.Single(stream.Documents).RootNode)!;
    }

    /// <summary>As JSON Schema: the one extension that it uses says that any value goes.</summary>
    private static Task<JsonSchema> LoadAsync()
    {
        var yaml = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "specs", "crd-components.yaml"));
        var schema = ToJson(yaml)["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!;
        return JsonSchema.FromJsonAsync(schema.ToJsonString());
    }

    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Children.Select(child =>
            KeyValuePair.Create(((YamlScalarNode)child.Key).Value!, ToJson(child.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(ToJson)]),
        YamlScalarNode { Style: ScalarStyle.Plain } plain when IsJson(plain.Value!) => JsonNode.Parse(plain.Value!),
        YamlScalarNode text => JsonValue.Create(text.Value),
        _ => throw new InvalidOperationException($"Unexpected {node.NodeType}."),
    };

    private static bool IsJson(string text) => text is "true" or "false" or "null" || double.TryParse(text, out _);
}
