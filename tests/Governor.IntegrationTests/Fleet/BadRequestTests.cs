using System.Net;
using System.Text.Json;

namespace Governor.IntegrationTests.Fleet;

/// <summary>Bad input at the Director as it runs: each kind of refusal once, from the parser to the database.</summary>
public sealed class BadRequestTests(DirectorFixture fixture) : IClassFixture<DirectorFixture>
{
    private static readonly string Fitting = Contents.Logging("https://logs.example", "fleet", "bad-requests");
    private static readonly string FittingNone = Contents.Logging("https://logs.example", "fleet", "of-nobody");

    public static TheoryData<string, string, string?, int, string> Refusals => new()
    {
        { "PUT", "/api/v1/configurations/bad", "{ \"components\": [", 400, "malformed-json" },
        { "PUT", "/api/v1/configurations/Bad_Name", Fitting, 400, "invalid-name" },
        { "PUT", "/api/v1/configurations/bad", FittingNone, 409, "no-matching-runtime" },
        { "PUT", "/api/v1/configurations/bad?dryRun=true", Fitting, 422, "not-implemented" },
        { "PUT", "/api/v1/configurations/bad", Fitting.Replace("\"value\":\"https://logs.example\"", "\"secretKeyRef\":{\"name\":\"none\",\"key\":\"url\"}", StringComparison.Ordinal), 422, "unknown-credential" },
        { "PUT", "/api/v1/configurations/bad", Fitting.Replace("https://logs.example", new string('x', 256 * 1024), StringComparison.Ordinal), 413, "configuration-too-large" },
        { "GET", "/admin/rollouts/01234567-89ab-7def-8123-456789abcdef", null, 404, "rollout-not-found" },
        { "POST", "/admin/rollouts/01234567-89ab-7def-8123-456789abcdef/abort", null, 404, "rollout-not-found" },
        { "GET", "/api/v1/runtimes/nobody", null, 404, "runtime-not-found" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task Given_bad_input_When_it_is_sent_Then_status_code_and_remedy_say_what_to_fix(
        string method, string path, string? body, int status, string code)
    {
        await fixture.Api.RegisterAsync(["bad-requests"], ("fleet", "bad-requests"));

        using var response = await fixture.Api.SendAsync(HttpMethod.Parse(method), path, body);

        await AssertRefusedAsync(response, status, code);
    }

    [Fact]
    public async Task Given_somebody_else_changed_it_When_the_former_revision_is_expected_Then_the_change_is_refused()
    {
        await fixture.Api.RegisterAsync(["if-match"], ("fleet", "if-match"));
        await fixture.Api.ChangeAsync("if-match", Contents.Logging("https://logs.example/1", "fleet", "if-match"));
        await fixture.Api.ChangeAsync("if-match", Contents.Logging("https://logs.example/2", "fleet", "if-match"));

        using var response = await fixture.Api.SendAsync(
            HttpMethod.Put, "/api/v1/configurations/if-match", Contents.Logging("https://logs.example/3", "fleet", "if-match"),
            ("If-Match", "\"1\""));

        await AssertRefusedAsync(response, 412, "precondition-failed");
    }

    [Fact]
    public async Task Given_a_rollout_that_has_ended_When_it_is_to_be_aborted_Then_the_state_refuses_it()
    {
        await fixture.Api.RegisterAsync(["too-late"], ("fleet", "too-late"));
        var rolloutId = await fixture.Api.ChangeAsync("too-late", Contents.Logging("https://logs.example", "fleet", "too-late"));
        await fixture.Api.WaitUntilEndedAsync(rolloutId, "CompletedWithDeferred");

        // 202 says only that the saga has not answered yet.
        HttpResponseMessage? answer = null;
        await Eventually.TrueAsync(
            async () =>
            {
                answer?.Dispose();
                answer = await fixture.Api.SendAsync(HttpMethod.Post, $"/admin/rollouts/{rolloutId}/abort", body: null);
                return answer.StatusCode != HttpStatusCode.Accepted;
            },
            RunningDirector.Patience, "the rollout answers");
        using (answer)
            await AssertRefusedAsync(answer!, 409, "action-not-possible");
    }

    private static async Task AssertRefusedAsync(HttpResponseMessage response, int status, string code)
    {
        var body = await response.Content.ReadAsStringAsync(CancellationToken.None);
        Assert.True(status == (int)response.StatusCode, $"{(int)response.StatusCode}: {body}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(body);
        Assert.Equal(code, DirectorApi.Text(problem.RootElement, "code"));
        Assert.NotEmpty(DirectorApi.Text(problem.RootElement, "detail"));
    }
}
