using Governor.Contracts;
using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class ConfigurationContentTests
{
    private static readonly TargetSelector Selector = new(
        Kinds: ["standalone-kyma", "managed-kyma", "standalone-kyma"],
        MatchLabels: new Dictionary<string, string> { ["tier"] = "prod", ["region"] = "eu" },
        MatchExpressions: [new LabelExpression("zone", LabelOperator.NotIn, ["b", "a"])],
        RuntimeIds: []);

    [Fact]
    public void Given_components_in_any_order_When_normalized_Then_components_and_scopes_are_sorted_and_nothing_is_shadowed()
    {
        var content = Content(0, Given.Component("b") with { Shadowed = true }, Given.Component("a", "h", "y", "X", "y"));

        Assert.Equal(["a", "b"], content.Components.Select(component => component.Name));
        Assert.Equal(["X", "y"], content.Components[0].Scopes);
        Assert.All(content.Components, component => Assert.False(component.Shadowed));
        Assert.Equal(["managed-kyma", "standalone-kyma"], content.Target.Kinds);
    }

    [Fact]
    public void Given_content_When_stored_Then_it_is_canonical_JSON_and_reads_back_the_same()
    {
        var reference = new ComponentSetting("redisPassword", SecretKeyRef: new SecretKeyRef("redis", "password"));
        var content = Content(7, Given.Component("a") with { Metadata = [reference] }) with { AllowPlaintext = true };

        var stored = content.ToJson();

        Assert.Equal(
            """
            {"allowPlaintext":true,
            "components":[{"metadata":[{"name":"redisPassword","secretKeyRef":{"key":"password","name":"redis"}}],
            "name":"a","scopes":[],"type":"state.redis","version":"v1"}],
            "priority":7,
            "target":{"kinds":["managed-kyma","standalone-kyma"],
            "matchExpressions":[{"key":"zone","operator":"NotIn","values":["a","b"]}],
            "matchLabels":{"region":"eu","tier":"prod"},"runtimeIds":[]}}
            """.ReplaceLineEndings(""),
            stored);
        Assert.Equal(stored, ConfigurationContent.FromJson(stored).ToJson());
        Assert.Equal(reference, ConfigurationContent.FromJson(stored).Components[0].Metadata[0]);
    }

    [Fact]
    public void Given_a_part_of_the_target_that_is_absent_When_stored_Then_it_is_still_absent_and_not_empty()
    {
        var target = ConfigurationContent.FromJson((Content(0) with { Target = new TargetSelector(Kinds: []) }).ToJson()).Target;

        Assert.Empty(target.Kinds!);
        Assert.Null(target.RuntimeIds);
        Assert.Null(target.MatchLabels);
        Assert.Null(target.MatchExpressions);
    }

    [Fact]
    public void Given_two_contents_When_they_do_the_same_to_the_fleet_Then_they_are_the_same()
    {
        var content = Content(0, Given.Component("a"), Given.Component("b"));

        Assert.True(content.SameAs(Content(0, Given.Component("b"), Given.Component("a"))));
        Assert.True(content.SameAs(content with { AllowPlaintext = true }));
        Assert.False(content.SameAs(content with { Priority = 1 }));
        Assert.False(content.SameAs(content with { Target = new TargetSelector() }));
        Assert.False(content.SameAs(Content(0, Given.Component("a"), Given.Component("b", "elsewhere:6379"))));
    }

    [Fact]
    public void Given_a_tombstone_When_any_runtime_is_judged_Then_it_is_for_nobody() =>
        Assert.False(ConfigurationContent.Empty.Target.Matches("local-1", "standalone-kyma", new Dictionary<string, string>()));

    private static ConfigurationContent Content(int priority, params DesiredComponent[] components) =>
        ConfigurationContent.Normalized(components, Selector, priority, allowPlaintext: false);
}
