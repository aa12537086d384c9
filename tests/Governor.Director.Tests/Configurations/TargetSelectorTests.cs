using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class TargetSelectorTests
{
    private static readonly Dictionary<string, string> Labels = new() { ["region"] = "eu", ["tier"] = "prod", ["empty"] = "" };

    [Fact]
    public void Given_a_selector_without_parts_When_a_runtime_is_judged_Then_it_matches() => Assert.True(Picks(new TargetSelector()));

    [Fact]
    public void Given_kinds_When_the_runtime_has_one_of_them_Then_it_matches()
    {
        Assert.True(Picks(new TargetSelector(Kinds: ["managed-kyma", "standalone-kyma"])));
        Assert.False(Picks(new TargetSelector(Kinds: ["managed-kyma"])));
        Assert.False(Picks(new TargetSelector(Kinds: [])));
    }

    [Fact]
    public void Given_runtime_ids_When_the_runtime_is_one_of_them_Then_it_matches()
    {
        Assert.True(Picks(new TargetSelector(RuntimeIds: ["local-2", "local-1"])));
        Assert.False(Picks(new TargetSelector(RuntimeIds: ["local-2"])));
        Assert.False(Picks(new TargetSelector(RuntimeIds: [])));
    }

    [Fact]
    public void Given_labels_to_match_When_the_runtime_has_all_of_them_Then_it_matches()
    {
        Assert.True(Picks(WithLabels()));
        Assert.True(Picks(WithLabels(("region", "eu"), ("tier", "prod"))));
        Assert.True(Picks(WithLabels(("empty", ""))));
        Assert.False(Picks(WithLabels(("region", "eu"), ("tier", "dev"))));
        Assert.False(Picks(WithLabels(("missing", ""))));
        Assert.False(Picks(WithLabels(("region", "EU"))));
    }

    [Theory]
    [InlineData("In", "region", "eu,us", true)]
    [InlineData("In", "region", "us", false)]
    [InlineData("In", "missing", "eu", false)]
    [InlineData("NotIn", "region", "us", true)]
    [InlineData("NotIn", "region", "eu,us", false)]
    [InlineData("NotIn", "missing", "eu", true)]
    [InlineData("Exists", "region", "", true)]
    [InlineData("Exists", "empty", "", true)]
    [InlineData("Exists", "missing", "", false)]
    [InlineData("DoesNotExist", "region", "", false)]
    [InlineData("DoesNotExist", "missing", "", true)]
    public void Given_an_expression_When_the_label_is_judged_Then_it_means_what_Kubernetes_means(
        string judged, string key, string values, bool expected)
    {
        var expression = new LabelExpression(key, Enum.Parse<LabelOperator>(judged), values.Split(',', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(expected, Picks(new TargetSelector(MatchExpressions: [expression])));
    }

    [Fact]
    public void Given_several_parts_When_one_does_not_hold_Then_the_runtime_does_not_match()
    {
        var all = new TargetSelector(
            ["standalone-kyma"],
            new Dictionary<string, string> { ["region"] = "eu" },
            [new LabelExpression("tier", LabelOperator.Exists, []), new LabelExpression("region", LabelOperator.NotIn, ["us"])],
            ["local-1"]);

        Assert.True(Picks(all));
        Assert.False(Picks(all with { Kinds = [] }));
        Assert.False(Picks(all with { RuntimeIds = ["local-2"] }));
        Assert.False(Picks(all with { MatchLabels = new Dictionary<string, string> { ["region"] = "us" } }));
        Assert.False(Picks(all with { MatchExpressions = [.. all.MatchExpressions!, new LabelExpression("tier", LabelOperator.DoesNotExist, [])] }));
    }

    private static bool Picks(TargetSelector selector) => selector.Matches("local-1", "standalone-kyma", Labels);

    private static TargetSelector WithLabels(params (string Key, string Value)[] labels) =>
        new(MatchLabels: labels.ToDictionary(label => label.Key, label => label.Value));
}
