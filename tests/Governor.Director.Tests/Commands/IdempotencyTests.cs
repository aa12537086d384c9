using System.Net;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Commands;

public sealed class IdempotencyTests : DirectorTests
{
    private static readonly (string, string) Key = ("Idempotency-Key", "\"a key\"");

    [Fact]
    public async Task Given_a_change_When_it_is_repeated_by_its_key_Then_nothing_is_started_and_the_answer_is_the_same()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var first = (await Host.PutAsync("cache", Change.To("redis-a"), Key)).Is(HttpStatusCode.Accepted);
        await Host.UntilRolloutAsync(first.RolloutId, "Succeeded");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-b"));

        AssertSame(first, await Host.PutAsync("cache", Change.To("redis-a"), Key));

        Assert.Equal(2, await Host.ReadAsync(db => db.Rollouts.CountAsync()));
    }

    [Fact]
    public async Task Given_a_change_When_it_is_repeated_in_other_words_Then_it_is_the_same()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var first = await Host.PutAsync("cache", """{"target":{},"components":[]}""", Key);
        AssertSame(first, await Host.PutAsync("cache", """{ "components" : [ ], "target" : { } }""", Key));
    }

    [Fact]
    public async Task Given_a_key_that_was_used_When_something_else_is_asked_for_by_it_Then_it_is_refused()
    {
        await Host.GivenRuntimesAsync("eu-1");
        (await Host.PutAsync("cache", Change.To("redis-a"), Key)).Is(HttpStatusCode.Accepted);

        AssertReused(await Host.PutAsync("cache", Change.To("redis-b"), Key));
        AssertReused(await Host.PutAsync("other", Change.To("redis-a"), Key));
        AssertReused(await Host.PutAsync("cache", Change.To("redis-a"), Key, ("If-Match", "\"1\"")));
        AssertReused(await Host.DeleteAsync("/api/v1/configurations/cache", Key));
        AssertReused(await Host.RegisterAsync("eu-2", headers: Key));
        AssertReused(await Host.DeleteAsync("/api/v1/runtimes/eu-1?force=true", Key));

        Assert.Equal(1, await Host.ReadAsync(db => db.Revisions.CountAsync()));
        Assert.Equal(1, await Host.ReadAsync(db => db.Runtimes.CountAsync()));

        static void AssertReused(Answer answer) => answer.IsProblem(HttpStatusCode.UnprocessableEntity, "idempotency-key-reused");
    }

    [Fact]
    public async Task Given_a_key_of_one_tenant_When_another_uses_it_Then_it_is_another_request()
    {
        (await Host.RegisterAsync("eu-1", headers: Key)).Is(HttpStatusCode.Created);
        (await Host.RegisterAsync("eu-2", null, Key, ("Tenant", "other"))).Is(HttpStatusCode.Created);
    }

    [Fact]
    public async Task Given_a_registration_When_it_is_repeated_after_the_runtime_has_changed_Then_the_answer_is_as_it_was()
    {
        var first = (await Host.RegisterAsync("eu-1", headers: Key)).Is(HttpStatusCode.Created);
        await Host.GivenRuntimesAsync("eu-1");
        (await Host.RegisterAsync("eu-1", new { region = "moon" })).Is(HttpStatusCode.OK);

        AssertSame(first, await Host.RegisterAsync("eu-1", headers: Key));

        Assert.Equal("moon", (string)(await Host.GetAsync("/api/v1/runtimes/eu-1")).Json!["labels"]!["region"]!);
    }

    [Fact]
    public async Task Given_a_batch_and_removals_When_they_are_repeated_Then_each_answer_is_as_it_was()
    {
        var batch = new { runtimes = new[] { new { runtimeId = "eu-1", kind = Fleet.Kind }, new { runtimeId = "eu-2", kind = Fleet.Kind } } };
        await AssertRepeatableAsync("k-1", HttpStatusCode.OK, key => Host.SendAsync(HttpMethod.Post, "/api/v1/runtimes:batch", batch, key));
        await AssertRepeatableAsync("k-2", HttpStatusCode.NoContent, key => Host.DeleteAsync("/api/v1/runtimes/eu-1?force=true", key));
        await AssertRepeatableAsync("k-3", HttpStatusCode.NotFound, key => Host.DeleteAsync("/api/v1/runtimes/eu-1?force=true", key));
        await AssertRepeatableAsync("k-4", HttpStatusCode.Accepted, key => Host.DeleteAsync("/api/v1/runtimes/eu-2", key));
        await AssertRepeatableAsync("k-5", HttpStatusCode.NotFound, key => Host.DeleteAsync("/api/v1/configurations/cache", key));
    }

    [Fact]
    public async Task Given_an_abort_When_it_is_repeated_Then_it_is_one_action()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");

        await AssertRepeatableAsync("k-1", HttpStatusCode.OK,
            key => Host.SendAsync(HttpMethod.Post, $"/admin/rollouts/{rolloutId}/abort", headers: key));

        Assert.Equal(1, await Host.ReadAsync(db => db.Actions.CountAsync()));
    }

    [Fact]
    public async Task Given_the_same_change_many_times_at_once_Then_it_is_made_once_and_all_get_its_answer()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Host.PutAsync("cache", Change.To("redis-a"), Key)));
        Assert.All(answers, answer => AssertSame(answers[0].Is(HttpStatusCode.Accepted), answer));
        Assert.Equal(1, await Host.ReadAsync(db => db.Rollouts.CountAsync()));
    }

    [Fact]
    public async Task Given_a_refused_change_When_it_is_repeated_by_its_key_Then_the_refusal_is_the_same_until_the_key_is_another()
    {
        var first = (await Host.PutAsync("cache", Change.To("redis-a"), Key)).IsProblem(HttpStatusCode.Conflict, "no-matching-runtime");
        await Host.GivenRuntimesAsync("eu-1");

        var second = await Host.PutAsync("cache", Change.To("redis-a"), Key);

        second.IsProblem(HttpStatusCode.Conflict, "no-matching-runtime");
        Assert.Equal(first.Text("detail"), second.Text("detail"));
        (await Host.PutAsync("cache", Change.To("redis-a"))).Is(HttpStatusCode.Accepted);
    }

    [Fact]
    public async Task Given_a_malformed_request_When_it_is_mended_Then_its_key_can_be_used()
    {
        await Host.GivenRuntimesAsync("eu-1");
        (await Host.PutAsync("cache", "{", Key)).IsProblem(HttpStatusCode.BadRequest, "malformed-json");
        (await Host.PutAsync("cache", Change.To("redis-a"), Key)).Is(HttpStatusCode.Accepted);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\tb")]
    public async Task Given_a_key_that_is_none_Then_the_request_is_refused(string key) => await AssertInvalidAsync(("Idempotency-Key", key));

    [Fact]
    public async Task Given_a_key_that_is_too_long_Then_the_request_is_refused()
    {
        await AssertInvalidAsync(("Idempotency-Key", new string('k', 201)));
        (await Host.RegisterAsync("eu-2", headers: ("Idempotency-Key", new string('k', 200)))).Is(HttpStatusCode.Created);
    }

    [Fact]
    public async Task Given_a_read_with_a_key_Then_the_key_does_not_matter() =>
        (await Host.GetAsync("/api/v1/runtimes", ("Idempotency-Key", ""))).Is(HttpStatusCode.OK);

    private async Task AssertInvalidAsync(params (string, string)[] headers)
    {
        (await Host.RegisterAsync("eu-1", headers: headers)).IsProblem(HttpStatusCode.BadRequest, "invalid-idempotency-key", "Idempotency-Key");
        (await Host.GetAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.NotFound);
    }

    private static async Task AssertRepeatableAsync(string key, HttpStatusCode status, Func<(string, string), Task<Answer>> send)
    {
        var first = (await send(("Idempotency-Key", key))).Is(status);
        AssertSame(first, await send(("Idempotency-Key", key)));
    }

    private static void AssertSame(Answer first, Answer again)
    {
        Assert.Equal((first.Status, first.Location, first.ETag, first.MediaType), (again.Status, again.Location, again.ETag, again.MediaType));
        Assert.Equal(WithoutTrace(first), WithoutTrace(again));

        // A problem names the request that it answers.
        static string? WithoutTrace(Answer answer)
        {
            var body = answer.Json?.DeepClone().AsObject();
            body?.Remove("traceId");
            return body?.ToJsonString();
        }
    }
}
