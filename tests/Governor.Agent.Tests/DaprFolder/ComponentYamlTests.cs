using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Governor.Agent.DaprFolder;
using Governor.Contracts;
using NJsonSchema;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Governor.Agent.Tests.DaprFolder;

public sealed class ComponentYamlTests
{
    private static readonly DesiredComponent Everything = new("sink", "bindings.http", "v1",
        [
            Desired.Setting("url", "https://logs.example/in?a=b#c"),
            Desired.Setting("looksLikeBool", "true"),
            Desired.Setting("looksLikeNumber", "1e3"),
            Desired.Setting("looksLikeNull", "~"),
            Desired.Setting("empty", ""),
            Desired.Setting("lines", "one\n two\ttab \"quoted\" \\ back\u2028é😀"),
            Desired.Setting("long", string.Join(' ', Enumerable.Repeat("word", 200))),
            Desired.Setting("number", 1500),
            Desired.Setting("fraction", 0.25),
            Desired.Setting("flag", false),
            Desired.Setting("nested", new Dictionary<string, object?>(StringComparer.Ordinal)
            {
                ["true"] = new object?[] { 1, "2", null, Array.Empty<int>(), new { } },
                ["- dash: x"] = "yes",
            }),
            new ComponentSetting("token", SecretKeyRef: new SecretKeyRef("orders", "token")),
        ],
        ["app-a", "123"]);

    [Fact]
    public async Task Given_every_kind_of_value_When_rendered_Then_it_is_a_valid_Dapr_Component()
    {
        var schema = await ComponentSchemaAsync();
        var errors = schema.Validate(ToJson(Render(Everything)).ToJsonString());
        Assert.Empty(errors);
    }

    [Fact]
    public async Task Given_a_component_without_settings_When_rendered_Then_it_is_a_valid_Dapr_Component()
    {
        var schema = await ComponentSchemaAsync();
        var bare = new DesiredComponent("bare", "state.in-memory", "v1", [], []);
        Assert.Empty(schema.Validate(ToJson(Render(bare)).ToJsonString()));
        Assert.DoesNotContain("scopes", Encoding.UTF8.GetString(Render(bare)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_the_schema_When_a_required_part_is_missing_Then_it_says_so()
    {
        var schema = await ComponentSchemaAsync();
        var json = ToJson(Render(Everything));
        json["spec"]!.AsObject().Remove("type");
        Assert.NotEmpty(schema.Validate(json.ToJsonString()));
    }

    [Fact]
    public void Given_every_kind_of_value_When_read_back_Then_each_is_what_it_was()
    {
        var settings = ToJson(Render(Everything))["spec"]!["metadata"]!.AsArray();
        Assert.Equal(Everything.Metadata.Count, settings.Count);
        foreach (var (expected, actual) in Everything.Metadata.Zip(settings))
        {
            Assert.Equal(expected.Name, actual!["name"]!.GetValue<string>());
            if (expected.Value is { } value)
                Assert.True(JsonNode.DeepEquals(JsonSerializer.SerializeToNode(value), actual["value"]), expected.Name);
            else
                Assert.Equal("""{"name":"orders","key":"token"}""", actual["secretKeyRef"]!.ToJsonString());
        }
    }

    [Fact]
    public void Given_a_component_When_rendered_Then_it_carries_our_mark_and_the_same_bytes_each_time()
    {
        var configuration = Desired.Configuration("logging", Everything);
        var metadata = ToJson(ComponentYaml.Render(configuration, Everything))["metadata"]!;
        Assert.Equal("sink", metadata["name"]!.GetValue<string>());
        Assert.Equal("governor", metadata["labels"]!["app.kubernetes.io/managed-by"]!.GetValue<string>());
        Assert.Equal("logging", metadata["annotations"]!["governor/configuration"]!.GetValue<string>());
        Assert.Equal(configuration.Digest, metadata["annotations"]!["governor/digest"]!.GetValue<string>());
        Assert.Equal(ComponentYaml.Render(configuration, Everything), ComponentYaml.Render(configuration, Everything));
    }

    private static byte[] Render(DesiredComponent component) => ComponentYaml.Render(Desired.Configuration("logging", component), component);

    /// <summary>The published schema, as JSON Schema: the one extension it uses says that any value goes.</summary>
    private static Task<JsonSchema> ComponentSchemaAsync()
    {
        var yaml = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "specs", "crd-components.yaml"));
        var schema = ToJson(yaml)["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!;
        return JsonSchema.FromJsonAsync(schema.ToJsonString(), TestContext.Current.CancellationToken);
    }

    private static JsonNode ToJson(byte[] yaml)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(Encoding.UTF8.GetString(yaml)));
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
