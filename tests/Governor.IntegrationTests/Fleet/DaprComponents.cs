using System.Text.Json.Nodes;
using NJsonSchema;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Governor.IntegrationTests.Fleet;

/// <summary>Dapr's published schema of a Component.</summary>
internal static class DaprComponents
{
    /// <summary>Fails unless a file is a valid Dapr Component.</summary>
    public static async Task AssertValidAsync(string path)
    {
        var crd = ToJson(await File.ReadAllTextAsync(Repository.PathOf("tests", "specs", "crd-components.yaml"), CancellationToken.None));
        var schema = await JsonSchema.FromJsonAsync(
            crd["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!.ToJsonString(), CancellationToken.None);
        var component = ToJson(await File.ReadAllTextAsync(path, CancellationToken.None));
        Assert.Empty(schema.Validate(component.ToJsonString()));
        Assert.Equal("Component", component["kind"]!.GetValue<string>());
    }

    private static JsonNode ToJson(string yaml)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(yaml));
        return ToJson(Assert.Single(stream.Documents).RootNode)!;
    }

    /// <summary>Reads plain scalars as the JSON that they spell, quoted ones as strings.</summary>
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
