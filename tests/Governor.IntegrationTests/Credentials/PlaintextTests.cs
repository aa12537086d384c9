using System.Text.Json;
using Governor.IntegrationTests.Crashes;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Credentials;

/// <summary>Secrets in clear on the bus are refused, and kept nowhere; nor are they of a message that nobody can read.</summary>
public sealed class PlaintextTests
{
    private const string Queue = "governor-rotate-credential";

    [Fact]
    public async Task Given_clear_entries_and_unreadable_messages_on_the_bus_Then_the_first_are_refused_the_others_dead_letters_without_a_body_and_nothing_is_kept()
    {
        await using var fleet = await CredentialFleet.StartAsync(Evidence.EverythingLogged, []);
        await using var rows = Rows.Of(fleet.Sandbox);
        await using var tap = await Tap.StartAsync(fleet.Sandbox);
        await using var client = await AmqpClient.StartAsync(fleet.Sandbox);
        var evidence = new Evidence();
        var secret = $"clear-{Guid.NewGuid():n}";
        var planted = $"planted-{Guid.NewGuid():n}";
        var entries = new Dictionary<string, string> { [CredentialApi.Entry] = secret };

        var clear = JsonSerializer.Serialize(new { commandId = planted, requestedBy = "test", name = "redis", entries });
        var both = JsonSerializer.Serialize(new { commandId = planted, requestedBy = "test", name = "redis", sealedEntries = secret, entries });
        var envelope = JsonSerializer.Serialize(new
        {
            messageId = Guid.NewGuid(), messageType = new[] { "urn:message:governor:rotate-credential" },
            message = new { commandId = planted, requestedBy = "test", name = "redis", entries },
        });
        var answers = new[]
        {
            await client.AskAsync(clear), await client.AskAsync(clear), await client.AskAsync(both),
            await client.AskAsync(envelope, "application/vnd.masstransit+json"),
        };
        Assert.All(answers, answer => Assert.Equal("plaintext-secret", AmqpClient.CodeOf(answer)));

        var wrong = await client.AskAsync(JsonSerializer.Serialize(new { commandId = planted, requestedBy = "test", name = "redis", sealedEntries = secret }));
        Assert.Equal("sealed-broken", AmqpClient.CodeOf(wrong));
        string[] unreadable =
        [
            await client.PublishAsync(secret, "application/json"),
            await client.PublishAsync($"{{\"entries\":{{\"password\":\"{secret}\"", "application/json"),
            await client.PublishAsync($"\"{secret}\"", "application/json"),
            await client.PublishAsync($"[\"{secret}\"]", "application/json"),
            await client.PublishAsync(clear, "text/plain"),
            await client.PublishAsync(clear, "application/unknown"),
            await client.PublishAsync(clear, contentType: null),
            await client.PublishAsync(clear, "application/vnd.masstransit+json"),
            await client.PublishAsync(secret, "application/vnd.masstransit+json"),
        ];
        foreach (var answer in answers.Append(wrong))
            evidence.AddAnswer(answer.Body);

        var letters = await UntilListedAsync(fleet.Api, unreadable);

        foreach (var letter in letters)
        {
            var detail = await fleet.Api.GetAsync($"/admin/dead-letters/{DirectorApi.Text(letter, "deadLetterId")}");
            Assert.False(detail.TryGetProperty("body", out var body) && body.ValueKind != JsonValueKind.Null, $"{detail}");
            evidence.AddAnswer(detail.GetRawText());
        }

        Assert.Equal(0, await rows.ScalarAsync<long>("SELECT count(*) FROM credentials"));
        Assert.Equal(0, await rows.ScalarAsync<long>("SELECT count(*) FROM credential_versions"));
        await evidence.AddMessagesAsync(fleet.Sandbox, tap);
        Assert.Equal(0, await fleet.Director.Process.TerminateAsync(RunningDirector.Patience));
        await evidence.AddMessagesAsync(fleet.Sandbox, tap);
        await evidence.AddDatabaseAsync(fleet.Sandbox);
        evidence.AddLog("Director", fleet.Director.Process.Output);
        evidence.AssertNowhere(secret);
        Assert.Equal(["answer", "database", "log", "message"], [.. evidence.PlacesOf(planted).Union(evidence.PlacesOf(unreadable[0])).Order(StringComparer.Ordinal)]);
    }

    private static async Task<List<JsonElement>> UntilListedAsync(DirectorApi api, string[] messageIds)
    {
        List<JsonElement> letters = [];
        await Eventually.TrueAsync(
            async () =>
            {
                letters = [.. (await api.GetAsync($"/admin/dead-letters?source={Queue}")).GetProperty("items").EnumerateArray()];
                return messageIds.All(id => letters.Exists(letter => DirectorApi.Text(letter, "messageId") == id));
            },
            RunningDirector.Patience, () => $"a dead letter of each of {messageIds.Length} messages; there are {string.Join('\n', letters)}");
        Assert.Equal(messageIds.Length, letters.Count);
        return letters;
    }
}
