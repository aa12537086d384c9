using System.Text;
using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class ConfigurationRequestParserTests
{
    private const string Store = """{"name": "store", "type": "state.redis"}""";

    [Fact]
    public void Given_the_least_body_When_parsed_Then_everything_else_has_its_default()
    {
        var request = Accepted($$"""{"components": [{{Store}}], "target": {} }""");

        var component = Assert.Single(request.Content.Components);
        Assert.Equal(("store", "state.redis", "v1"), (component.Name, component.Type, component.Version));
        Assert.Empty(component.Metadata);
        Assert.Empty(component.Scopes);
        Assert.Equal(new TargetSelector(), request.Content.Target);
        Assert.Equal(0, request.Content.Priority);
        Assert.False(request.Content.AllowPlaintext);
        Assert.False(request.AllowEmpty);
        Assert.Equal(RolloutPolicy.Default, request.Policy);
    }

    [Fact]
    public void Given_a_whole_body_When_parsed_Then_every_field_is_taken()
    {
        var request = Accepted(
            """
            {
              "components": [{
                "name": "b.store", "type": "state.redis", "version": "v2", "scopes": ["y", "x"],
                "metadata": [{"name": "redisHost", "value": "redis:6379"}, {"name": "password", "value": "x"}]
              }, {"name": "a", "type": "bindings.http"}],
              "target": {
                "kinds": ["standalone-kyma"], "runtimeIds": ["local-1"], "matchLabels": {"example.com/region": "eu", "free": ""},
                "matchExpressions": [{"key": "tier", "operator": "In", "values": ["prod"]}, {"key": "old", "operator": "DoesNotExist"}]
              },
              "priority": -5, "allowPlaintext": true, "allowEmpty": true,
              "policy": {"strategy": "allAtOnce", "maxConcurrency": 3, "maxFailures": 2, "progressDeadline": "00:01:30"}
            }
            """);

        Assert.Equal(["a", "b.store"], request.Content.Components.Select(component => component.Name));
        Assert.Equal(["x", "y"], request.Content.Components[1].Scopes);
        Assert.Equal("redis:6379", request.Content.Components[1].Metadata[0].Value!.Value.GetString());
        Assert.Equal("eu", request.Content.Target.MatchLabels!["example.com/region"]);
        Assert.Equal([LabelOperator.In, LabelOperator.DoesNotExist], request.Content.Target.MatchExpressions!.Select(e => e.Operator));
        Assert.Equal(-5, request.Content.Priority);
        Assert.True(request.AllowEmpty);
        Assert.Equal(new RolloutPolicy("allAtOnce", 3, 2, TimeSpan.FromSeconds(90), TimeSpan.FromMinutes(10)), request.Policy);
    }

    [Theory]
    [InlineData("", "line 1, byte 1")]
    [InlineData("{\"components\": [],\n  \"target\": }", "line 2, byte 13")]
    [InlineData("""{"components": [], "target": {}} {}""", "line 1, byte 34")]
    [InlineData("""{"components": [], "target": {},}""", "line 1, byte 33")]
    [InlineData("""{"components": [] /* none */, "target": {}}""", "line 1, byte 19")]
    [InlineData("""{"components": [NaN], "target": {}}""", "line 1, byte 17")]
    public void Given_malformed_JSON_When_parsed_Then_the_answer_says_where(string body, string where)
    {
        var refusal = Refused(body);
        Assert.Equal((400, "malformed-json"), (refusal.Status, refusal.Code));
        Assert.Contains(where, refusal.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Given_JSON_nested_too_deep_or_not_in_UTF8_When_parsed_Then_it_is_malformed()
    {
        Assert.Equal("malformed-json", Refused(new string('[', 65) + new string(']', 65)).Code);
        Assert.Equal("malformed-json", ConfigurationRequestParser.Parse(new byte[] { (byte)'"', 0xff, (byte)'"' }).Refusal!.Code);
    }

    [Fact]
    public void Given_a_byte_order_mark_When_parsed_Then_it_is_passed_over()
    {
        byte[] body = [.. Encoding.UTF8.Preamble, .. Encoding.UTF8.GetBytes("""{"components": [], "target": {}}""")];
        Assert.True(ConfigurationRequestParser.Parse(body).Succeeded);
    }

    [Theory]
    [InlineData("[]", 400, "invalid-field", "$")]
    [InlineData("""{"components": []}""", 400, "missing-field", "target")]
    [InlineData("""{"target": {}}""", 400, "missing-field", "components")]
    [InlineData("""{"components": [], "target": null}""", 400, "invalid-field", "target")]
    [InlineData("""{"components": {}, "target": {}}""", 400, "invalid-field", "components")]
    [InlineData("""{"components": [], "target": {}, "dryRun": true}""", 400, "unknown-field", "dryRun")]
    [InlineData("""{"components": [], "target": {}, "Priority": 1}""", 400, "unknown-field", "Priority")]
    [InlineData("""{"components": [], "target": {}, "target": {}}""", 400, "malformed-json", "target")]
    [InlineData("""{"components": [], "target": {}, "priority": "1"}""", 400, "invalid-field", "priority")]
    [InlineData("""{"components": [], "target": {}, "priority": 1.5}""", 400, "invalid-field", "priority")]
    [InlineData("""{"components": [], "target": {}, "priority": 1000001}""", 400, "invalid-field", "priority")]
    [InlineData("""{"components": [], "target": {}, "allowEmpty": 1}""", 400, "invalid-field", "allowEmpty")]
    [InlineData("""{"components": [], "target": {}, "allowPlaintext": "yes"}""", 400, "invalid-field", "allowPlaintext")]
    public void Given_a_body_of_a_wrong_shape_When_parsed_Then_the_field_is_named(string body, int status, string code, string field) =>
        AssertRefused(body, status, code, field);

    [Theory]
    [InlineData("""{"name": "a"}""", 400, "missing-field", "components[0].type")]
    [InlineData("""{"type": "a.b"}""", 400, "missing-field", "components[0].name")]
    [InlineData("\"a\"", 400, "invalid-field", "components[0]")]
    [InlineData("""{"name": "a", "type": ""}""", 400, "invalid-field", "components[0].type")]
    [InlineData("""{"name": "a", "type": "a b"}""", 400, "invalid-field", "components[0].type")]
    [InlineData("""{"name": "a", "type": 1}""", 400, "invalid-field", "components[0].type")]
    [InlineData("""{"name": "", "type": "a.b"}""", 400, "invalid-name", "components[0].name")]
    [InlineData("""{"name": "../a", "type": "a.b"}""", 400, "invalid-name", "components[0].name")]
    [InlineData("""{"name": "A", "type": "a.b"}""", 400, "invalid-name", "components[0].name")]
    [InlineData("""{"name": "a", "type": "a.b", "version": null}""", 400, "invalid-field", "components[0].version")]
    [InlineData("""{"name": "a", "type": "a.b", "shadowed": true}""", 400, "unknown-field", "components[0].shadowed")]
    [InlineData("""{"name": "a", "type": "a.b", "a key": 1}""", 400, "unknown-field", "components[0][\"a key\"]")]
    [InlineData("""{"name": "a", "type": "a.b", "scopes": [""]}""", 400, "invalid-field", "components[0].scopes[0]")]
    [InlineData("""{"name": "a", "type": "a.b", "scopes": "app"}""", 400, "invalid-field", "components[0].scopes")]
    [InlineData("""{"name": "a", "type": "a.b", "metadata": {}}""", 400, "invalid-field", "components[0].metadata")]
    [InlineData("""{"name": "a", "type": "a.b\ud800"}""", 400, "invalid-field", "components[0].type")]
    public void Given_a_wrong_component_When_parsed_Then_the_field_is_named(string component, int status, string code, string field) =>
        AssertRefused($$"""{"components": [{{component}}], "target": {} }""", status, code, field);

    [Fact]
    public void Given_names_of_components_When_parsed_Then_they_are_unique_and_short_enough_for_a_file()
    {
        AssertRefused($$"""{"components": [{{Store}}, {{Store}}], "target": {} }""", 400, "duplicate-component", "components[1].name");

        var longest = new string('a', ComponentReader.MaxNameLength);
        Accepted($$"""{"components": [{"name": "{{longest}}", "type": "a.b"}], "target": {} }""");
        AssertRefused($$"""{"components": [{"name": "{{longest}}a", "type": "a.b"}], "target": {} }""", 400, "invalid-name", "components[0].name");
    }

    [Theory]
    [InlineData("""{"value": "x"}""", 400, "missing-field", ".name")]
    [InlineData("""{"name": "", "value": "x"}""", 400, "invalid-field", ".name")]
    [InlineData("""{"name": "a"}""", 400, "missing-field", "")]
    [InlineData("""{"name": "a", "value": "x", "secretKeyRef": {"name": "c", "key": "k"}}""", 400, "invalid-field", "")]
    [InlineData("""{"name": "a", "value": null}""", 400, "invalid-field", ".value")]
    [InlineData("""{"name": "a", "value": "x", "envRef": "X"}""", 400, "unknown-field", ".envRef")]
    [InlineData("""{"name": "a", "value": {"b": [1, 9007199254740993]}}""", 400, "invalid-field", ".value.b[1]")]
    [InlineData("""{"name": "a", "value": 1e999}""", 400, "invalid-field", ".value")]
    [InlineData("""{"name": "a", "value": {"b": 1, "b": 2}}""", 400, "malformed-json", ".value.b")]
    [InlineData("""{"name": "a", "value": ["\udc00"]}""", 400, "invalid-field", ".value[0]")]
    [InlineData("""{"name": "a", "value": {"\udc00": 1}}""", 400, "invalid-field", ".value")]
    [InlineData("""{"name": "a", "value": "at {{runtime.id}}"}""", 422, "not-implemented", ".value")]
    [InlineData("""{"name": "a", "value": {"b": "{{runtime.labels.region}}"}}""", 422, "not-implemented", ".value.b")]
    [InlineData("""{"name": "a", "secretKeyRef": {"name": "Redis", "key": "password"}}""", 400, "invalid-name", ".secretKeyRef.name")]
    [InlineData("""{"name": "a", "secretKeyRef": {"key": "password"}}""", 400, "missing-field", ".secretKeyRef.name")]
    [InlineData("""{"name": "a", "secretKeyRef": "redis"}""", 400, "invalid-field", ".secretKeyRef")]
    [InlineData("""{"name": "redisPassword", "value": "hunter2"}""", 422, "plaintext-secret", ".value")]
    [InlineData("""{"name": "auth", "value": {"password": "hunter2"}}""", 422, "plaintext-secret", ".value")]
    public void Given_a_wrong_setting_When_parsed_Then_the_field_is_named(string setting, int status, string code, string field)
    {
        var body = $$"""{"components": [{"name": "a", "type": "a.b", "metadata": [{{setting}}]}], "target": {} }""";
        AssertRefused(body, status, code, "components[0].metadata[0]" + field);
    }

    [Fact]
    public void Given_a_value_When_it_is_nested_too_deep_for_a_message_Then_it_is_refused()
    {
        static string Body(int depth) =>
            $$"""{"components": [{"name": "a", "type": "a.b", "metadata": [{"name": "v", "value": """
            + new string('[', depth) + new string(']', depth) + """}]}], "target": {}}""";

        Accepted(Body(SettingValueRules.MaxDepth));
        Assert.Equal("invalid-field", Refused(Body(SettingValueRules.MaxDepth + 2)).Code);
    }

    [Fact]
    public void When_a_setting_refers_to_a_credential_Then_the_reference_is_taken_with_its_path()
    {
        var body = """{"components": [{"name": "a", "type": "a.b", "metadata": [{"name": "p", "secretKeyRef": {"name": "redis", "key": "pw"}}]}], "target": {}}""";
        var outcome = ConfigurationRequestParser.Parse(Encoding.UTF8.GetBytes(body));
        Assert.Equal("pw", outcome.Value!.Content.Components[0].Metadata[0].SecretKeyRef!.Key);
        Assert.Equal([("components[0].metadata[0].secretKeyRef", "redis", "pw")], outcome.Value.References.Select(r => (r.Path, r.Credential, r.Key)));
    }

    [Fact]
    public void Given_a_secret_in_clear_When_plaintext_is_allowed_Then_it_is_taken() => Accepted(
        """{"components": [{"name": "a", "type": "a.b", "metadata": [{"name": "password", "value": "x"}]}], "target": {}, "allowPlaintext": true}""");

    [Theory]
    [InlineData("""{"kind": ["managed-kyma"]}""", "unknown-field", ".kind")]
    [InlineData("""{"kinds": ["kyma"]}""", "invalid-field", ".kinds[0]")]
    [InlineData("""{"kinds": null}""", "invalid-field", ".kinds")]
    [InlineData("""{"runtimeIds": ["Local-1"]}""", "invalid-name", ".runtimeIds[0]")]
    [InlineData("""{"runtimeIds": "local-1"}""", "invalid-field", ".runtimeIds")]
    [InlineData("""{"matchLabels": {"region": 1}}""", "invalid-field", ".matchLabels.region")]
    [InlineData("""{"matchLabels": {"-region": "eu"}}""", "invalid-field", ".matchLabels.-region")]
    [InlineData("""{"matchLabels": {"region": "e u"}}""", "invalid-field", ".matchLabels.region")]
    [InlineData("""{"matchExpressions": [{"operator": "Exists"}]}""", "missing-field", ".matchExpressions[0].key")]
    [InlineData("""{"matchExpressions": [{"key": "a"}]}""", "missing-field", ".matchExpressions[0].operator")]
    [InlineData("""{"matchExpressions": [{"key": "a", "operator": "exists"}]}""", "invalid-field", ".matchExpressions[0].operator")]
    [InlineData("""{"matchExpressions": [{"key": "a", "operator": "0", "values": ["x"]}]}""", "invalid-field", ".matchExpressions[0].operator")]
    [InlineData("""{"matchExpressions": [{"key": "a", "operator": "In"}]}""", "missing-field", ".matchExpressions[0].values")]
    [InlineData("""{"matchExpressions": [{"key": "a", "operator": "NotIn", "values": []}]}""", "invalid-field", ".matchExpressions[0].values")]
    [InlineData("""{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}""", "invalid-field", ".matchExpressions[0].values")]
    public void Given_a_wrong_target_When_parsed_Then_the_field_is_named(string target, string code, string field) =>
        AssertRefused($$"""{"components": [], "target": {{target}} }""", 400, code, "target" + field);

    [Fact]
    public void Given_an_unknown_kind_When_parsed_Then_the_known_ones_are_listed()
    {
        var detail = Refused("""{"components": [], "target": {"kinds": ["kyma"]}}""").Detail;
        Assert.All(RuntimeKinds.All, kind => Assert.Contains(kind, detail, StringComparison.Ordinal));
    }

    [Fact]
    public void Given_content_over_the_limit_When_parsed_Then_both_sizes_are_named()
    {
        static string Body(int length) =>
            $$"""{"components": [{"name": "a", "type": "a.b", "metadata": [{"name": "v", "value": "{{new string('x', length)}}"}]}], "target": {} }""";

        var overhead = Encoding.UTF8.GetByteCount(Accepted(Body(0)).Content.ToJson());
        Accepted(Body(ConfigurationRequestParser.MaxContentBytes - overhead));

        var refusal = Refused(Body(ConfigurationRequestParser.MaxContentBytes - overhead + 1));
        Assert.Equal((413, "configuration-too-large"), (refusal.Status, refusal.Code));
        Assert.Contains("262145", refusal.Detail, StringComparison.Ordinal);
        Assert.Contains("262144", refusal.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Given_several_errors_When_parsed_Then_all_are_listed_and_shape_comes_first()
    {
        var refusal = Refused(
            """
            {"components": [{"name": "a", "type": "a.b", "metadata": [{"name": "token", "value": "x"}]}, {"name": "B"}],
             "target": {"kinds": ["kyma"]}, "policy": {"waves": []}}
            """);

        Assert.Equal((400, "invalid-name"), (refusal.Status, refusal.Code));
        Assert.Equal(
            ["components[0].metadata[0].value", "components[1].name", "components[1].type", "target.kinds[0]", "policy.waves"],
            refusal.Errors!.Select(error => error.Field));
    }

    [Fact]
    public void Given_errors_without_end_When_parsed_Then_the_answer_stays_short()
    {
        var refusal = Refused($$"""{"components": [{{string.Join(',', Enumerable.Repeat("{}", 10_000))}}], "target": {} }""");
        Assert.Equal(100, refusal.Errors!.Count);
        Assert.Contains("19999 more", refusal.Detail, StringComparison.Ordinal);
    }

    private static ConfigurationRequest Accepted(string body)
    {
        var outcome = ConfigurationRequestParser.Parse(Encoding.UTF8.GetBytes(body));
        Assert.True(outcome.Succeeded, outcome.Refusal?.Detail);
        return outcome.Value;
    }

    private static Refusal Refused(string body)
    {
        var outcome = ConfigurationRequestParser.Parse(Encoding.UTF8.GetBytes(body));
        Assert.False(outcome.Succeeded);
        return outcome.Refusal;
    }

    private static void AssertRefused(string body, int status, string code, string field)
    {
        var refusal = Refused(body);
        Assert.Equal((status, code, field), (refusal.Status, refusal.Code, Assert.Single(refusal.Errors!).Field));
        Assert.DoesNotContain("hunter2", refusal.ToString() + refusal.Errors![0], StringComparison.Ordinal);
    }
}
