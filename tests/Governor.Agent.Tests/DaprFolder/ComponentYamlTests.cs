using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Governor.Agent.DaprFolder;
using Governor.Contracts;
using Governor.Specs;
using static Governor.Specs.DaprComponentSchema;

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
        Assert.Empty(await DaprComponentSchema.ValidateAsync(ToJson(Render(Everything))));
    }

    [Fact]
    public async Task Given_a_component_without_settings_When_rendered_Then_it_is_a_valid_Dapr_Component()
    {
        var bare = new DesiredComponent("bare", "state.in-memory", "v1", [], []);
        Assert.Empty(await DaprComponentSchema.ValidateAsync(ToJson(Render(bare))));
        Assert.DoesNotContain("scopes", Encoding.UTF8.GetString(Render(bare)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_the_schema_When_a_required_part_is_missing_Then_it_says_so()
    {
        var json = ToJson(Render(Everything));
        json["spec"]!.AsObject().Remove("type");
        Assert.NotEmpty(await DaprComponentSchema.ValidateAsync(json));
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
}
