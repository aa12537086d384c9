using System.Text;
using FsCheck.Xunit;
using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class ConfigurationRequestProperties
{
    private const string Whole =
        """
        {"components": [{"name": "a", "type": "a.b", "version": "v1", "scopes": ["x"],
          "metadata": [{"name": "v", "value": {"k": [1, "s", null]}}, {"name": "p", "secretKeyRef": {"name": "c", "key": "k"}}]}],
         "target": {"kinds": ["managed-kyma"], "matchLabels": {"r": "eu"}, "runtimeIds": ["r-1"],
          "matchExpressions": [{"key": "t", "operator": "In", "values": ["p"]}]},
         "priority": 1, "allowPlaintext": false, "allowEmpty": true,
         "policy": {"strategy": "allAtOnce", "maxConcurrency": 1, "maxFailures": 1, "progressDeadline": "00:00:01"}}
        """;

    private static readonly HashSet<string> Credentials = ["c"];

    [Property(MaxTest = 500)]
    public void Given_any_bytes_When_parsed_Then_there_is_an_answer_and_no_exception(byte[] body)
    {
        var outcome = ConfigurationRequestParser.Parse(body);
        // Some bytes, such as those of "2", are JSON, though never a request.
        Assert.Contains(outcome.Refusal?.Code, new[] { "malformed-json", "invalid-field", "missing-field" });
        ConfigurationRequestParser.ParseDeletion(body);
    }

    [Property(MaxTest = 1000, Arbitrary = [typeof(JsonTrees)])]
    public void Given_any_JSON_anywhere_in_a_good_body_When_parsed_Then_there_is_an_answer_and_no_exception(JsonTree tree, byte place)
    {
        var colons = Enumerable.Range(0, Whole.Length).Where(i => Whole[i] is ':' or '[' && Whole[i + 1] != ':').ToArray();
        var at = colons[place % colons.Length] + 1;
        var end = Whole.IndexOfAny([',', '}', ']'], at);
        var body = Whole[..at] + tree.Write(new Random(place)) + Whole[end..];

        var outcome = ConfigurationRequestParser.Parse(Encoding.UTF8.GetBytes(body));

        if (outcome.Succeeded) Assert.Equal(outcome.Value.Content.ToJson(), ConfigurationContent.FromJson(outcome.Value.Content.ToJson()).ToJson());
        else Assert.InRange(outcome.Refusal.Status, 400, 422);
    }

    [Fact]
    public void Given_the_body_that_is_varied_When_parsed_as_it_is_Then_it_is_accepted() =>
        Assert.True(ConfigurationRequestParser.Parse(Encoding.UTF8.GetBytes(Whole)).Succeeded);
}
