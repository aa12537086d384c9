using System.Text.Json;
using System.Text.Json.Nodes;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Commands;

/// <summary>A service in another language sends commands as plain JSON, and is answered in kind.</summary>
public sealed class ForeignClientTests(DirectorFixture fixture) : IClassFixture<DirectorFixture>
{
    private const string Update = "governor-update-configuration";
    private static readonly object Json = new { contentType = "application/json" };

    [Fact]
    public async Task Given_a_plain_JSON_update_Then_it_starts_the_rollout_that_the_PUT_starts_and_is_answered_at_reply_to()
    {
        await fixture.Api.RegisterAsync(["plain-1", "plain-2"], ("fleet", "plain"));
        await fixture.Api.WaitUntilProvisionedAsync(["plain-1", "plain-2"]);
        var content = Contents.Logging("https://logs.example", "fleet", "plain");
        var byPut = await fixture.Api.ChangeAsync("by-put", content);

        var answer = await AskOneAsync(Command("plain-c-1", "by-command", content));

        Assert.Equal(("CommandAccepted", "application/json"), (answer.Type, answer.ContentType));
        Assert.Equal(("plain-c-1", "by-command", "1"), (answer.Text("commandId"), answer.Text("configuration"), answer.Text("revision")));
        var byCommand = answer.Text("rolloutId")!;
        await fixture.Api.WaitUntilEndedAsync(byPut, "CompletedWithDeferred");
        await fixture.Api.WaitUntilEndedAsync(byCommand, "CompletedWithDeferred");
        Assert.Equal(["plain-1", "plain-2"], (await fixture.Api.TargetsAsync(byCommand)).Keys.Order(StringComparer.Ordinal));
        foreach (var (one, other) in new[]
        {
            (await fixture.Api.GetAsync($"/admin/rollouts/{byPut}"), await fixture.Api.GetAsync($"/admin/rollouts/{byCommand}")),
            (await fixture.Api.GetAsync("/api/v1/configurations/by-put"), await fixture.Api.GetAsync("/api/v1/configurations/by-command")),
        })
        {
            foreach (var same in (string[])["policy", "counts", "revision", "content", "digest"])
                Assert.Equal(Raw(one, same), Raw(other, same));
        }

        Assert.Equal("node", DirectorApi.Text(await fixture.Api.GetAsync($"/admin/rollouts/{byCommand}"), "requestedBy"));
    }

    [Fact]
    public async Task Given_the_example_of_a_command_Then_it_is_accepted_as_it_is()
    {
        await fixture.Api.RegisterAsync(["example-1"], ("region", "eu"));

        var answer = await AskOneAsync(await File.ReadAllTextAsync(
            Repository.PathOf("contracts", "examples", "update-configuration.json"), TestContext.Current.CancellationToken));

        Assert.Equal(("CommandAccepted", "logging-service"), (answer.Type, answer.Text("configuration")));
    }

    [Fact]
    public async Task Given_the_same_command_many_times_at_once_Then_there_is_one_rollout_and_each_gets_the_same_answer()
    {
        const int Times = 30;
        var content = Contents.Logging("https://logs.example", "fleet", "many");
        await fixture.Api.RegisterAsync(["many-1"], ("fleet", "many"));

        var answers = (await NodeClient.AskAsync(fixture.Sandbox.RabbitMq,
            new NodeMessage(Update, Command("many-c-1", "many", content), Json, Times, Times)))[0];
        var again = await AskOneAsync(Command("many-c-1", "many", content));

        Assert.Equal(Times, answers.Count);
        Assert.All(answers, answer => Assert.Equal((again.Type, again.Body.GetRawText()), (answer.Type, answer.Body.GetRawText())));
        Assert.Equal("CommandAccepted", again.Type);
        Assert.Equal(1, (await fixture.Api.GetAsync("/admin/rollouts?configuration=many")).GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task Given_a_command_id_that_was_used_When_it_comes_with_other_content_Then_it_is_rejected_and_changes_nothing()
    {
        await fixture.Api.RegisterAsync(["reuse-1"], ("fleet", "reuse"));
        var first = await AskOneAsync(Command("reuse-c-1", "reuse", Contents.Logging("https://logs.example/1", "fleet", "reuse")));
        Assert.Equal("CommandAccepted", first.Type);

        var second = await AskOneAsync(Command("reuse-c-1", "reuse", Contents.Logging("https://logs.example/2", "fleet", "reuse")));

        Assert.Equal(("CommandRejected", "command-id-reused", "reuse-c-1"), (second.Type, second.Text("code"), second.Text("commandId")));
        Assert.Equal(1, (await fixture.Api.GetAsync("/api/v1/configurations/reuse")).GetProperty("revision").GetInt32());
    }

    [Fact]
    public async Task Given_a_command_that_can_be_read_and_is_wrong_Then_it_is_rejected_with_code_and_fields()
    {
        var content = Contents.Logging("https://logs.example", "fleet", "nobody");
        var wrongTypes = JsonNode.Parse(Command("wrong-c-1", "wrong", content))!;
        wrongTypes["priority"] = "high";
        wrongTypes["components"]![0]!["name"] = 5;

        var answers = await NodeClient.AskAsync(fixture.Sandbox.RabbitMq,
            new NodeMessage(Update, wrongTypes.ToJsonString(), Json),
            new NodeMessage(Update, Command("wrong-c-2", "Not A Name", content), Json),
            new NodeMessage(Update, Command("wrong-c-3", "wrong", content), Json),
            new NodeMessage("governor-abort-rollout", """{"commandId":"wrong-c-4","requestedBy":"node","rolloutId":"nonsense"}""", Json),
            new NodeMessage("governor-register-runtime", "{}", new { contentType = "application/json; charset=utf-8", messageId = "no guid" }));

        Assert.All(answers, answer => Assert.Equal("CommandRejected", Assert.Single(answer).Type));
        Assert.Equal(
            ["invalid-field", "invalid-name", "no-matching-runtime", "rollout-not-found", "missing-field"],
            answers.Select(answer => answer[0].Text("code")));
        Assert.Equal(["wrong-c-1", "wrong-c-2", "wrong-c-3", "wrong-c-4", null], answers.Select(answer => answer[0].Text("commandId")));
        Assert.Equal(["components[0].name", "priority"],
            answers[0][0].Body.GetProperty("errors").EnumerateArray().Select(e => DirectorApi.Text(e, "field")));
    }

    [Fact]
    public async Task Given_nobody_at_reply_to_Then_the_command_is_done_all_the_same_and_the_next_one_is_answered()
    {
        await fixture.Api.RegisterAsync(["gone-1"], ("fleet", "gone"));
        var content = Contents.Logging("https://logs.example", "fleet", "gone");

        var answers = await NodeClient.AskAsync(fixture.Sandbox.RabbitMq,
            new NodeMessage(Update, Command("gone-c-1", "gone", content), new { contentType = "application/json", replyTo = "no-such-queue" }, Answers: 0),
            new NodeMessage("governor-delete-configuration", """{"commandId":"gone-c-2","requestedBy":"node","name":"not-there"}""", Json));
        Assert.Equal("configuration-not-found", answers[1][0].Text("code"));

        Assert.Equal("1", (await AskOneAsync(Command("gone-c-1", "gone", content))).Text("revision"));
    }

    private async Task<NodeAnswer> AskOneAsync(string body) =>
        (await NodeClient.AskAsync(fixture.Sandbox.RabbitMq, new NodeMessage(Update, body, Json)))[0][0];

    private static string Command(string commandId, string name, string content)
    {
        var command = JsonNode.Parse(content)!.AsObject();
        command["commandId"] = commandId;
        command["requestedBy"] = "node";
        command["name"] = name;
        return command.ToJsonString();
    }

    private static string? Raw(JsonElement item, string field) =>
        item.TryGetProperty(field, out var value) ? value.GetRawText() : null;
}
