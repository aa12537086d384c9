using System.Text;
using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class RolloutPolicyReaderTests
{
    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("""{"policy": {}}""")]
    public void Given_no_policy_When_a_deletion_is_parsed_Then_the_default_holds(string body) =>
        Assert.Equal(RolloutPolicy.Default, Parse(body).Value);

    [Theory]
    [InlineData("00:00:01", 1)]
    [InlineData("01:30:00", 5_400)]
    [InlineData("24:00:00", 86_400)]
    [InlineData("168:00:00", 604_800)]
    [InlineData("1.00:00:00", 86_400)]
    public void Given_a_deadline_When_parsed_Then_it_is_that_long(string text, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Parse($$"""{"policy": {"progressDeadline": "{{text}}"} }""").Value!.ProgressDeadline);

    [Theory]
    [InlineData("""{"progressDeadline": "00:00:00"}""", 400, "invalid-field")]
    [InlineData("""{"progressDeadline": "168:00:01"}""", 400, "invalid-field")]
    [InlineData("""{"progressDeadline": "00:60:00"}""", 400, "invalid-field")]
    [InlineData("""{"progressDeadline": "-01:00:00"}""", 400, "invalid-field")]
    [InlineData("""{"progressDeadline": "10m"}""", 400, "invalid-field")]
    [InlineData("""{"progressDeadline": 600}""", 400, "invalid-field")]
    [InlineData("""{"maxConcurrency": 0}""", 400, "invalid-field")]
    [InlineData("""{"maxConcurrency": 1.5}""", 400, "invalid-field")]
    [InlineData("""{"maxConcurrency": "many"}""", 400, "invalid-field")]
    [InlineData("""{"maxConcurrency": "10%"}""", 422, "not-implemented")]
    [InlineData("""{"maxFailures": -1}""", 400, "invalid-field")]
    [InlineData("""{"maxFailures": null}""", 400, "invalid-field")]
    [InlineData("""{"maxFailures": "2.5%"}""", 422, "not-implemented")]
    [InlineData("""{"strategy": "waves"}""", 422, "not-implemented")]
    [InlineData("""{"strategy": "linear"}""", 422, "not-implemented")]
    [InlineData("""{"strategy": "exponential"}""", 422, "not-implemented")]
    [InlineData("""{"strategy": "AllAtOnce"}""", 400, "invalid-field")]
    [InlineData("""{"strategy": 1}""", 400, "invalid-field")]
    [InlineData("""{"deferredTtl": "01:00:00"}""", 422, "not-implemented")]
    [InlineData("""{"joiners": "ignore"}""", 422, "not-implemented")]
    [InlineData("""{"failureStrategy": "abort"}""", 422, "not-implemented")]
    [InlineData("""{"bakeTime": "00:10:00"}""", 422, "not-implemented")]
    [InlineData("""{"waves": []}""", 422, "not-implemented")]
    [InlineData("""{"maxPerMinute": 10}""", 422, "not-implemented")]
    [InlineData("""{"windows": []}""", 422, "not-implemented")]
    [InlineData("""{"approval": true}""", 422, "not-implemented")]
    [InlineData("""{"overlap": "00:10:00"}""", 400, "unknown-field")]
    [InlineData("""{"retry": {}}""", 422, "not-implemented")]
    [InlineData("""{"speed": 9}""", 400, "unknown-field")]
    public void Given_a_policy_that_cannot_be_followed_When_parsed_Then_the_field_is_named(string policy, int status, string code)
    {
        var refusal = Parse($$"""{"policy": {{policy}} }""").Refusal!;
        Assert.Equal((status, code), (refusal.Status, refusal.Code));
        Assert.StartsWith("policy.", Assert.Single(refusal.Errors!).Field, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"policy": null}""", "invalid-field")]
    [InlineData("""{"target": {}}""", "unknown-field")]
    [InlineData("{", "malformed-json")]
    public void Given_a_wrong_body_When_a_deletion_is_parsed_Then_it_is_refused(string body, string code) =>
        Assert.Equal(code, Parse(body).Refusal!.Code);

    private static Outcome<RolloutPolicy> Parse(string body) => ConfigurationRequestParser.ParseDeletion(Encoding.UTF8.GetBytes(body));
}
