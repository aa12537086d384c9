using System.Text.Json.Nodes;

namespace Governor.Contracts.Tests;

public sealed class SchemaGrowthTests
{
    private const string Released = """
        {
          "properties": { "a": { "type": "string", "description": "old" }, "b": { "$ref": "#/definitions/B" } },
          "required": ["a"],
          "definitions": { "B": { "properties": { "c": { "type": "integer" } } }, "E": { "enum": ["x", "y"] } }
        }
        """;

    [Theory]
    [InlineData("\"description\": \"old\"", "\"description\": \"new\"", null)]
    [InlineData("\"c\": {", "\"new\": { \"type\": \"string\" }, \"c\": {", null)]
    [InlineData("\"x\", \"y\"", "\"x\", \"y\", \"z\"", null)]
    [InlineData("\"required\": [\"a\"]", "\"required\": []", null)]
    [InlineData("\"a\": {", "\"renamed\": {", "a is gone")]
    [InlineData("\"type\": \"integer\"", "\"type\": \"number\"", "B.c has another type")]
    [InlineData("\"required\": [\"a\"]", "\"required\": [\"a\", \"b\"]", "b is now required")]
    [InlineData("\"x\", \"y\"", "\"x\"", "E.y is no value any more")]
    [InlineData("\"E\":", "\"F\":", "E is gone")]
    public void Given_a_released_schema_When_it_changes_Then_only_growth_is_no_break(string what, string by, string? expected)
    {
        var before = JsonNode.Parse(Released)!.AsObject();
        var now = JsonNode.Parse(Released.Replace(what, by, StringComparison.Ordinal))!.AsObject();

        Assert.Equal(expected is null ? [] : [expected], SchemaGrowth.Breaks(before, now));
    }
}
