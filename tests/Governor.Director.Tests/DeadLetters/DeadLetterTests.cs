using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Governor.Contracts;
using Governor.Director.Reports;
using Governor.Director.Tests.Hosting;
using Governor.Messaging;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Director.Tests.DeadLetters;

/// <summary>What was given up is kept, shown, put back and deleted.</summary>
public sealed class DeadLetterTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Monday = new(2031, 5, 5, 8, 0, 0, TimeSpan.Zero);
    private DirectorHost? host;

    private DirectorHost Host => host!;

    public async ValueTask InitializeAsync() => host = await DirectorHost.StartAsync();

    public ValueTask DisposeAsync() => host?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Given_garbage_in_a_queue_When_the_consumer_gives_up_Then_it_is_listed_with_its_reason_and_shown_with_its_body()
    {
        await SendRawAsync(ReportConsumer.Queue, "{ garbage");

        var item = await UntilOneAsync();

        Assert.Equal(ReportConsumer.Queue, (string?)item["source"]);
        Assert.NotEmpty((string)item["reason"]!);
        Assert.NotEmpty((string)item["exceptionType"]!);
        Assert.Equal(9, (int)item["size"]!);
        Assert.Null(item["body"]);
        var letter = (await Host.GetAsync($"/admin/dead-letters/{item["deadLetterId"]}")).Is(HttpStatusCode.OK);
        Assert.Equal(("{ garbage", "utf-8"), (letter.Text("body"), letter.Text("bodyEncoding")));
    }

    [Fact]
    public async Task Given_a_dead_letter_When_it_is_requeued_and_fails_again_Then_it_is_back_under_the_same_id_and_later()
    {
        await SendRawAsync(ReportConsumer.Queue, "{ garbage");
        var first = await UntilOneAsync();
        var id = (string)first["deadLetterId"]!;

        (await Host.PostAsync($"/admin/dead-letters/{id}/requeue")).Is(HttpStatusCode.OK);

        await Eventually.IsTrueAsync(
            async () => (await ListAsync()) is [var item] && (string)item["deadLetterId"]! == id
                && (DateTimeOffset)item["deadLetteredAt"]! > (DateTimeOffset)first["deadLetteredAt"]!,
            "the same dead letter, given up anew");
    }

    [Fact]
    public async Task Given_a_good_message_among_the_dead_letters_When_it_is_requeued_Then_it_is_handled_and_the_row_is_gone()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var report = Host["eu-1"].Report() with { ReportInterval = TimeSpan.FromHours(3) };
        var envelope = JsonNode.Parse("""{"messageType":["urn:message:governor:runtime-reported"]}""")!;
        envelope["message"] = System.Text.Json.JsonSerializer.SerializeToNode(report, System.Text.Json.JsonSerializerOptions.Web);
        await Host.PublishAsync(Letter("good", ReportConsumer.Queue, envelope.ToJsonString()) with { ContentType = "application/vnd.masstransit+json" });
        await UntilListedAsync("good");

        (await Host.PostAsync("/admin/dead-letters/good/requeue")).Is(HttpStatusCode.OK);

        await Host.UntilRuntimeAsync("eu-1", r => r.ReportInterval == TimeSpan.FromHours(3), "the requeued report's");
        Assert.Empty(await ListAsync());
    }

    [Fact]
    public async Task Given_a_dead_letter_without_body_or_whose_queue_is_gone_When_it_is_requeued_Then_it_is_kept_and_the_answer_says_why()
    {
        await Host.PublishAsync(Letter("withheld", "governor-rotate-credential", null));
        await Host.PublishAsync(Letter("orphaned", "runtime-long-gone", "{}"));
        await Host.PublishAsync(Letter("broken", ReportConsumer.Queue, null) with { Body = "no base64 !" });
        await UntilListedAsync("withheld", "orphaned", "broken");

        (await Host.PostAsync("/admin/dead-letters/withheld/requeue")).IsProblem(HttpStatusCode.Conflict, "body-not-kept", "DELETE");
        (await Host.PostAsync("/admin/dead-letters/orphaned/requeue")).IsProblem(HttpStatusCode.Conflict, "queue-gone", "runtime-long-gone");
        (await Host.PostAsync("/admin/dead-letters/broken/requeue")).IsProblem(HttpStatusCode.Conflict, "body-not-kept");
        (await Host.PostAsync("/admin/dead-letters/nothing/requeue")).IsProblem(HttpStatusCode.NotFound, "dead-letter-not-found");
        await UntilListedAsync("withheld", "orphaned", "broken");
    }

    [Fact]
    public async Task Given_a_dead_letter_When_it_is_deleted_Then_it_is_gone_and_a_second_time_there_is_none()
    {
        await Host.PublishAsync(Letter("old", ReportConsumer.Queue, "{}"));
        await UntilListedAsync("old");

        (await Host.DeleteAsync("/admin/dead-letters/old")).Is(HttpStatusCode.NoContent);

        (await Host.DeleteAsync("/admin/dead-letters/old")).IsProblem(HttpStatusCode.NotFound, "dead-letter-not-found");
        (await Host.GetAsync("/admin/dead-letters/old")).IsProblem(HttpStatusCode.NotFound, "dead-letter-not-found");
        Assert.Empty(await ListAsync());
    }

    [Fact]
    public async Task Given_many_dead_letters_When_they_are_read_in_pages_Then_the_newest_come_first_and_a_source_narrows_them()
    {
        (string Id, int Minutes, string Source)[] letters = [("a", 0, "x"), ("b", 2, "y"), ("c", 2, "x"), ("d", 1, "x"), ("e", 3, "x")];
        foreach (var (id, minutes, source) in letters)
            await Host.PublishAsync(Letter(id, source, "{}") with { DeadLetteredAt = Monday.AddMinutes(minutes) });
        await UntilListedAsync("a", "b", "c", "d", "e");

        var read = new List<string>();
        string? cursor = null;
        do
        {
            var page = (await Host.GetAsync($"/admin/dead-letters?limit=2{(cursor is null ? "" : $"&cursor={cursor}")}")).Is(HttpStatusCode.OK);
            read.AddRange(page.Items.Select(i => (string)i["deadLetterId"]!));
            cursor = page.Text("nextCursor");
        }
        while (cursor is not null);

        Assert.Equal(["e", "c", "b", "d", "a"], read);
        var narrowed = (await Host.GetAsync("/admin/dead-letters?source=y")).Is(HttpStatusCode.OK);
        Assert.Equal("b", (string?)Assert.Single(narrowed.Items)["deadLetterId"]);
        Assert.Empty((await Host.GetAsync("/admin/dead-letters?source=%00")).Is(HttpStatusCode.OK).Items);
        (await Host.GetAsync("/admin/dead-letters?cursor=bm9uZQ")).IsProblem(HttpStatusCode.BadRequest, "invalid-cursor");
    }

    [Fact]
    public async Task Given_the_same_dead_letter_twice_When_both_have_come_Then_it_is_stored_once()
    {
        var letter = Letter("twice", ReportConsumer.Queue, "{}");
        await Host.PublishAsync(letter);
        await Host.PublishAsync(letter);
        await Host.PublishAsync(letter with { Reason = "It failed again.", DeadLetteredAt = Monday.AddHours(1) });

        await Eventually.IsTrueAsync(
            async () => (await ListAsync()) is [var item] && (string)item["reason"]! == "It failed again.", "one, brought up to date");
    }

    [Fact]
    public async Task Given_a_dead_letter_that_no_database_would_hold_When_it_comes_Then_it_is_stored_as_far_as_it_can_be()
    {
        await Host.PublishAsync(new DeadLettered(
            "a\0/b", "so\0urce", "rea\0son \ud800 end", "ty\0pe", "m\0", "c\0", new Dictionary<string, string> { ["he\0ad"] = "va\0lue" },
            Convert.ToBase64String([0xff, 0x00]), default));

        var item = await UntilOneAsync();

        Assert.Equal("rea\ufffdson \ufffd end", (string?)item["reason"]);
        Assert.Equal("so\ufffdurce", (string?)item["source"]);
        var letter = (await Host.GetAsync($"/admin/dead-letters/{item["deadLetterId"]}")).Is(HttpStatusCode.OK);
        Assert.Equal(("/wA=", "base64"), (letter.Text("body"), letter.Text("bodyEncoding")));
    }

    private static DeadLettered Letter(string id, string source, string? body) => new(
        id, source, "It failed.", "System.Exception", null, "application/json", new Dictionary<string, string> { ["x-sender"] = "test" },
        body is null ? null : Convert.ToBase64String(Encoding.UTF8.GetBytes(body)), Monday);

    private async Task SendRawAsync(string queue, string body) => Assert.True(
        await Host.Services.GetRequiredService<IQueueReturn>().TrySendAsync(
            queue,
            new RawMessage(Encoding.UTF8.GetBytes(body), "application/vnd.masstransit+json", MessageId: null, new Dictionary<string, string>()),
            TestContext.Current.CancellationToken));

    private async Task<IReadOnlyList<JsonNode>> ListAsync() => (await Host.GetAsync("/admin/dead-letters")).Is(HttpStatusCode.OK).Items;

    private async Task<JsonNode> UntilOneAsync()
    {
        IReadOnlyList<JsonNode> items = [];
        await Eventually.IsTrueAsync(async () => (items = await ListAsync()).Count > 0, "a dead letter");
        return Assert.Single(items);
    }

    private Task UntilListedAsync(params string[] ids) => Eventually.IsTrueAsync(
        async () => (await ListAsync()).Select(i => (string)i["deadLetterId"]!).ToHashSet(StringComparer.Ordinal).SetEquals(ids),
        string.Join(", ", ids));
}
