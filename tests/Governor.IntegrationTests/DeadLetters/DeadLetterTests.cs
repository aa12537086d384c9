using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Governor.IntegrationTests.Fleet;
using RabbitMQ.Client;

namespace Governor.IntegrationTests.DeadLetters;

/// <summary>What no one could read is among the dead letters of the Director, and stands in nobody's way.</summary>
public sealed class DeadLetterTests(DirectorFixture fixture) : IClassFixture<DirectorFixture>
{
    private const string Reports = "governor-reports";
    private static readonly TimeSpan Patience = RunningDirector.Patience;

    private DirectorApi Api => fixture.Api;

    [Fact]
    public async Task Given_garbage_of_several_content_types_for_the_Director_Then_each_is_listed_put_back_without_loss_and_deleted()
    {
        await PublishAsync(Reports, "{ garbage", "application/json");
        await PublishAsync(Reports, "<garbage/>", "text/plain");
        await PublishAsync(Reports, "garbage", contentType: null);

        var letters = await UntilListedAsync(Reports, 3);
        Assert.All(letters.Values, IsExplained);
        Assert.Equal(["<garbage/>", "garbage", "{ garbage"], await BodiesAsync(letters.Keys));

        var (id, first) = letters.MinBy(letter => letter.Key, StringComparer.Ordinal);
        await RequeueAsync(id);

        await UntilGivenUpAgainAsync(Reports, id, first);
        var again = await UntilListedAsync(Reports, 3);
        Assert.Equal(letters.Keys.Order(StringComparer.Ordinal), again.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["<garbage/>", "garbage", "{ garbage"], await BodiesAsync(again.Keys));

        foreach (var letter in again.Keys)
            await DeleteAsync(letter);
        Assert.Empty(await ListAsync(Reports));
    }

    [Fact]
    public async Task Given_garbage_in_a_runtimes_queue_Then_its_Agent_hands_it_over_and_goes_on()
    {
        using var folder = new AgentFolder("letters");
        await Api.RegisterAsync(["letters"], ("fleet", "letters"));
        await using var agent = folder.StartAgent(fixture.Sandbox);
        await Api.WaitUntilHeardAsync(["letters"]);
        const string Queue = "runtime-letters";
        await PublishAsync(Queue, "{ garbage", "application/vnd.masstransit+json");

        var (id, first) = Assert.Single(await UntilListedAsync(Queue, 1));
        IsExplained(first);
        await RequeueAsync(id);
        await UntilGivenUpAgainAsync(Queue, id, first);
        await DeleteAsync(id);

        var rolloutId = await Api.ChangeAsync("letters", Contents.Logging("https://logs.example/letters", "fleet", "letters"));
        await Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        Assert.True(folder.Holds("https://logs.example/letters"));
        Assert.False(agent.HasExited);
        Assert.Empty(await ListAsync(Queue));
    }

    private static void IsExplained(JsonElement letter)
    {
        Assert.NotEmpty(DirectorApi.Text(letter, "reason"));
        Assert.NotEmpty(DirectorApi.Text(letter, "exceptionType"));
    }

    private async Task PublishAsync(string queue, string body, string? contentType)
    {
        var factory = new ConnectionFactory { Uri = new Uri(fixture.Sandbox.RabbitMq) };
        await using var connection = await factory.CreateConnectionAsync(CancellationToken.None);
        await using var channel = await connection.CreateChannelAsync(
            new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), CancellationToken.None);
        var properties = new BasicProperties();
        if (contentType is not null)
            properties.ContentType = contentType;
        await channel.BasicPublishAsync("", queue, mandatory: true, properties, Encoding.UTF8.GetBytes(body), CancellationToken.None);
    }

    private async Task<Dictionary<string, JsonElement>> UntilListedAsync(string source, int count)
    {
        var letters = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        await Eventually.TrueAsync(
            async () => (letters = await ListAsync(source)).Count == count, Patience,
            () => $"{count} dead letter(s) of {source} are listed; there are {letters.Count}");
        return letters;
    }

    /// <summary>Without an id of its own, a message is known by what it says: it comes back as the same dead letter.</summary>
    private Task UntilGivenUpAgainAsync(string source, string id, JsonElement first) => Eventually.TrueAsync(
        async () => (await ListAsync(source)).TryGetValue(id, out var letter) && At(letter) > At(first),
        Patience, "the message that was put back is given up again");

    private async Task<Dictionary<string, JsonElement>> ListAsync(string source) =>
        (await Api.GetAsync($"/admin/dead-letters?source={source}")).GetProperty("items").EnumerateArray()
            .ToDictionary(letter => DirectorApi.Text(letter, "deadLetterId"), StringComparer.Ordinal);

    private async Task<IEnumerable<string>> BodiesAsync(IEnumerable<string> ids)
    {
        var bodies = new List<string>();
        foreach (var id in ids)
            bodies.Add(DirectorApi.Text(await Api.GetAsync($"/admin/dead-letters/{id}"), "body"));
        return bodies.Order(StringComparer.Ordinal);
    }

    private async Task RequeueAsync(string id)
    {
        using var answer = await Api.SendAsync(HttpMethod.Post, $"/admin/dead-letters/{id}/requeue", body: null);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    private async Task DeleteAsync(string id)
    {
        using var answer = await Api.SendAsync(HttpMethod.Delete, $"/admin/dead-letters/{id}", body: null);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
    }

    private static DateTimeOffset At(JsonElement letter) =>
        DateTimeOffset.Parse(DirectorApi.Text(letter, "deadLetteredAt"), CultureInfo.InvariantCulture);
}
