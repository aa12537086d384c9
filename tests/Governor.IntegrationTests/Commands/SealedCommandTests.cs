using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Governor.IntegrationTests.Credentials;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Commands;

/// <summary>A service in another language rotates a credential: it seals the secrets with a library that it would use too.</summary>
public sealed partial class SealedCommandTests(DirectorFixture fixture) : IClassFixture<DirectorFixture>
{

    private Uri KeyUrl => new(fixture.Api.Address, "/api/v1/sealing-key");

    [Fact]
    public async Task Given_sealed_entries_from_another_service_Then_they_make_the_next_version_which_its_users_then_hold_and_a_repeat_changes_nothing()
    {
        using var folder = new AgentFolder("sealed-1");
        await fixture.Api.RegisterAsync(["sealed-1"], ("fleet", "sealed"));
        await using var agent = folder.StartAgent(fixture.Sandbox);
        await fixture.Api.WaitUntilHeardAsync(["sealed-1"]);
        await fixture.Api.GivenUsedAsync("sealed", "one", "fleet", "sealed");

        var answers = (await AskAsync(Message("sealed", "sealed-c-1", "zwei \"ü\" 𝄞") with { Times = 2, Answers = 2 }))[0];

        Assert.Equal(("CommandAccepted", "application/json"), (answers[0].Type, answers[0].ContentType));
        Assert.Equal(answers[0].Body.GetRawText(), answers[1].Body.GetRawText());
        Assert.Equal(("sealed-c-1", "sealed", "2"), (answers[0].Text("commandId"), answers[0].Text("credential"), answers[0].Text("version")));
        await fixture.Api.WaitUntilEndedAsync(answers[0].Text("rolloutId")!, "Succeeded");
        Assert.Equal("zwei \"ü\" 𝄞", folder.Secret("sealed"));
        Assert.Equal(["previous", "current"], await fixture.Api.StagesAsync("sealed"));
        Assert.Equal("node", (await fixture.Api.VersionsAsync("sealed"))[1].GetProperty("createdBy").GetString());
    }

    [Fact]
    public async Task Given_entries_that_were_sealed_for_something_else_or_are_too_old_Then_they_are_refused_with_their_code()
    {
        NodeMessage Wrong(int number, Func<NodeSeal, NodeSeal?> change)
        {
            var right = Message("wrong", $"wrong-c-{number}", "s3cr3t");
            return right with { Seal = change(right.Seal!) };
        }

        var answers = await AskAsync(
            Wrong(1, seal => seal with { Subject = "default/wrong/wrong-c-2" }),
            Wrong(2, seal => seal with { Subject = "another/wrong/wrong-c-2" }),
            Wrong(3, seal => seal with { Lifetime = -60 }),
            Wrong(4, seal => seal with { Lifetime = 7200 }),
            Wrong(5, _ => null));

        Assert.Equal(
            ["sealed-for-another", "sealed-for-another", "sealed-expired", "sealed-expiry-invalid", "sealed-broken"],
            answers.Select(answer => Assert.Single(answer).Text("code")));
        using var missing = await fixture.Api.SendAsync(HttpMethod.Get, "/api/v1/credentials/wrong", body: null);
        Assert.Equal(System.Net.HttpStatusCode.NotFound, missing.StatusCode);
    }

    [Fact]
    public async Task Given_the_example_When_its_placeholder_is_replaced_Then_it_is_accepted_as_it_is()
    {
        var example = await ExampleAsync();
        Assert.Equal("{sealedEntries}", example["sealedEntries"]!.GetValue<string>());
        var (name, id) = (example["name"]!.GetValue<string>(), example["commandId"]!.GetValue<string>());

        var answer = (await AskAsync(Message(name, id, "s3cr3t") with { Body = example.ToJsonString() }))[0][0];

        Assert.Equal(("CommandAccepted", name), (answer.Type, answer.Text("credential")));
    }

    [Fact]
    public async Task Given_the_script_of_the_examples_page_When_it_is_run_with_entries_at_its_input_Then_it_prints_the_answer()
    {
        var page = await File.ReadAllTextAsync(Repository.PathOf("contracts", "examples", "README.md"), CancellationToken.None);
        var script = Script().Matches(page).Select(match => match.Groups["script"].Value)
            .Single(text => text.Contains("CompactEncrypt", StringComparison.Ordinal));
        var mine = (await ExampleAsync());
        (mine["commandId"], mine["name"]) = ("page-c-1", "from-the-page"); // the example itself is another test's
        var file = Path.Combine(Path.GetTempPath(), $"{fixture.Sandbox.Name}.json");
        await File.WriteAllTextAsync(file, mine.ToJsonString(), CancellationToken.None);
        try
        {
            var printed = await NodeClient.RunScriptAsync(
                script.Replace("contracts/examples/rotate-credential.json", file, StringComparison.Ordinal)
                    .Replace("amqp://localhost", fixture.Sandbox.RabbitMq, StringComparison.Ordinal)
                    .Replace("http://localhost:8080", fixture.Api.Address.GetLeftPart(UriPartial.Authority), StringComparison.Ordinal),
                """{"password":"s3cr3t"}""");

            Assert.StartsWith("CommandAccepted {", printed, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }

        Assert.Equal(["current"], await fixture.Api.StagesAsync("from-the-page"));
    }

    private Task<List<List<NodeAnswer>>> AskAsync(params NodeMessage[] messages) => NodeClient.AskAsync(fixture.Sandbox.RabbitMq, messages);

    private NodeMessage Message(string name, string commandId, string password) => SealedMessage.Of(KeyUrl, name, commandId, password);

    private static async Task<JsonObject> ExampleAsync() => JsonNode.Parse(await File.ReadAllTextAsync(
        Repository.PathOf("contracts", "examples", "rotate-credential.json"), CancellationToken.None))!.AsObject();

    [GeneratedRegex(@"^```js\n(?<script>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Script();
}

/// <summary>The command <c>RotateCredential</c>, whose entries the Node client seals.</summary>
internal static class SealedMessage
{
    public static NodeMessage Of(Uri keyUrl, string name, string commandId, string password) => new(
        "governor-rotate-credential",
        JsonSerializer.Serialize(new { commandId, requestedBy = "node", name, sealedEntries = "{sealedEntries}" }),
        new { contentType = "application/json" },
        Seal: new NodeSeal(keyUrl, new Dictionary<string, string> { [CredentialApi.Entry] = password }, $"default/{name}/{commandId}"));
}
