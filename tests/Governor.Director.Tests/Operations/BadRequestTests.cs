using System.Net;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Operations;

public sealed class BadRequestTests(SharedDirector shared) : IClassFixture<SharedDirector>
{
    [Theory]
    [InlineData("/api/v1/runtimes?limit=0", "invalid-limit", "1 to 1000")]
    [InlineData("/api/v1/runtimes?limit=many", "invalid-limit", "1 to 1000")]
    [InlineData("/api/v1/configurations?limit=1001", "invalid-limit", "1 to 1000")]
    [InlineData("/api/v1/configurations?cursor=*", "invalid-cursor", "nextCursor")]
    [InlineData("/api/v1/configurations/cache/revisions?limit=-1", "invalid-limit", "1 to 1000")]
    [InlineData("/admin/rollouts?cursor=bm90LWFuLWlk", "invalid-cursor", "nextCursor")]
    [InlineData("/admin/rollouts?cursor=***", "invalid-cursor", "nextCursor")]
    [InlineData("/admin/drift?cursor=bm90LWFuLWlk", "invalid-cursor", "nextCursor")]
    [InlineData("/admin/drift?limit=x", "invalid-limit", "1 to 1000")]
    [InlineData("/admin/drift?cursor=AC8vAA", "invalid-cursor", "nextCursor")]
    [InlineData("/api/v1/runtimes?cursor=YQBi", "invalid-cursor", "nextCursor")]
    [InlineData("/api/v1/runtimes?label=region", "invalid-label", "key=value")]
    [InlineData("/api/v1/runtimes?label==eu", "invalid-label", "key=value")]
    public async Task Given_a_parameter_that_cannot_be_Then_the_answer_says_what_it_must_be(string path, string code, string says) =>
        (await shared.Host.GetAsync(path)).IsProblem(HttpStatusCode.BadRequest, code, says);

    [Fact]
    public async Task Given_a_state_of_targets_that_is_none_Then_the_answer_lists_them() =>
        (await shared.Host.GetAsync($"/admin/rollouts/{shared.RolloutId}/targets?state=lost"))
            .IsProblem(HttpStatusCode.BadRequest, "invalid-state", "Waiting", "Superseded");

    [Theory]
    [InlineData("/api/v1/runtimes")]
    [InlineData("/api/v1/runtimes/eu-1")]
    [InlineData("/api/v1/runtimes/eu-1/desired-state")]
    [InlineData("/api/v1/configurations")]
    [InlineData("/api/v1/configurations/cache")]
    [InlineData("/admin/rollouts")]
    [InlineData("/admin/drift")]
    public async Task Given_a_tenant_that_cannot_be_Then_the_answer_says_what_it_must_be(string path) =>
        (await shared.Host.GetAsync(path, ("Tenant", "Not A Tenant"))).IsProblem(HttpStatusCode.BadRequest, "invalid-name", "Tenant");

    [Theory]
    [InlineData("Not-Lower", "{\"kind\": \"standalone-kyma\"}", "invalid-name", "runtime id")]
    [InlineData("eu-7", "{\"kind\": \"mainframe\"}", "invalid-field", "standalone-kyma")]
    [InlineData("eu-7", "{}", "invalid-field", "standalone-kyma")]
    [InlineData("eu-7", "{\"kind\": ", "malformed-json", "`kind`")]
    [InlineData("eu-7", "null", "malformed-json", "`kind`")]
    [InlineData("eu-7", "{\"kind\": \"standalone-kyma\", \"lables\": {}}", "malformed-json", "lables")]
    [InlineData("eu-7", "{\"kind\": \"standalone-kyma\", \"labels\": {\"\": \"x\"}}", "invalid-field", "Label keys")]
    [InlineData("eu-7", "{\"kind\": \"standalone-kyma\", \"labels\": {\"a\": null}}", "invalid-field", "Label keys")]
    public async Task Given_a_registration_that_cannot_be_Then_it_is_a_bad_request(string runtimeId, string body, string code, string says) =>
        (await shared.Host.SendAsync(HttpMethod.Put, $"/api/v1/runtimes/{runtimeId}", body)).IsProblem(HttpStatusCode.BadRequest, code, says);

    [Theory]
    [InlineData("{\"runtimes\": []}", "invalid-batch", "1 to 1000")]
    [InlineData("{}", "invalid-batch", "1 to 1000")]
    [InlineData("{\"runtimes\": [{\"runtimeId\": \"a\", \"kind\": \"standalone-kyma\"}, {\"runtimeId\": \"a\", \"kind\": \"standalone-kyma\"}]}", "invalid-batch", "once")]
    [InlineData("{\"runtimes\": [{\"runtimeId\": \"a\", \"kind\": \"standalone-kyma\"}, {\"runtimeId\": \"B\", \"kind\": \"standalone-kyma\"}]}", "invalid-name", "runtime id")]
    [InlineData("{\"runtimes\": [null]}", "invalid-batch", "runtimes")]
    public async Task Given_a_batch_that_cannot_be_Then_it_is_a_bad_request(string body, string code, string says) =>
        (await shared.Host.PostAsync("/api/v1/runtimes:batch", body)).IsProblem(HttpStatusCode.BadRequest, code, says);

    [Fact]
    public async Task Given_a_batch_over_1_MiB_Then_it_is_too_large() =>
        (await shared.Host.PostAsync("/api/v1/runtimes:batch", new { runtimes = new[] { new { runtimeId = new string('x', 1025 * 1024) } } }))
            .IsProblem(HttpStatusCode.RequestEntityTooLarge, "body-too-large", "1048576");

    [Theory]
    [InlineData("GET", "/admin/rollouts/{0}")]
    [InlineData("GET", "/admin/rollouts/{0}/targets")]
    [InlineData("POST", "/admin/rollouts/{0}/abort")]
    [InlineData("GET", "/admin/rollouts/{0}/actions/{0}")]
    public async Task Given_a_rollout_that_is_not_there_Then_it_is_not_found_and_the_answer_says_where_they_are_listed(string method, string path)
    {
        foreach (var id in new[] { Guid.NewGuid().ToString(), "nonsense" })
        {
            (await shared.Host.SendAsync(new HttpMethod(method), string.Format(null, path, id)))
                .IsProblem(HttpStatusCode.NotFound, "rollout-not-found", "GET /admin/rollouts");
        }
    }

    [Fact]
    public async Task Given_an_action_that_is_not_there_Then_it_is_not_found() =>
        (await shared.Host.GetAsync($"/admin/rollouts/{shared.RolloutId}/actions/{Guid.NewGuid()}")).IsProblem(HttpStatusCode.NotFound, "action-not-found");

    [Theory]
    [InlineData("/api/v1/configurations/cache/revisions/9")]
    [InlineData("/api/v1/configurations/cache/revisions/1/diff/9")]
    [InlineData("/api/v1/configurations/cache/revisions/9/diff/1")]
    public async Task Given_a_revision_that_is_not_there_Then_it_is_not_found(string path) =>
        (await shared.Host.GetAsync(path)).IsProblem(HttpStatusCode.NotFound, "revision-not-found", "revision 9");

    [Theory]
    [InlineData("GET", "/api/v1/nothing", HttpStatusCode.NotFound, "not-found")]
    [InlineData("GET", "/api/v1/configurations/cache/revisions/last", HttpStatusCode.NotFound, "not-found")]
    [InlineData("POST", "/api/v1/configurations/cache", HttpStatusCode.MethodNotAllowed, "method-not-allowed")]
    [InlineData("DELETE", "/api/v1/runtimes/eu-1?force=perhaps", HttpStatusCode.BadRequest, "invalid-force")]
    public async Task Given_a_request_that_no_endpoint_takes_Then_it_is_a_problem_with_a_code_all_the_same(
        string method, string path, HttpStatusCode status, string code) =>
        (await shared.Host.SendAsync(new HttpMethod(method), path)).IsProblem(status, code);

    [Theory]
    [InlineData("/api/v1/runtimes?kind=a%00b")]
    [InlineData("/admin/rollouts?configuration=a%00b")]
    [InlineData("/admin/dead-letters?source=a%00b")]
    public async Task Given_a_filter_that_the_database_could_not_hold_Then_nothing_matches(string path) =>
        Assert.Empty((await shared.Host.GetAsync(path)).Is(HttpStatusCode.OK).Items);

    [Theory]
    [InlineData("GET", "/api/v1/nothing", HttpStatusCode.NotFound, "not-found")]
    [InlineData("POST", "/api/v1/configurations/cache", HttpStatusCode.MethodNotAllowed, "method-not-allowed")]
    public async Task Given_a_client_that_accepts_no_problem_Then_it_gets_one_all_the_same(
        string method, string path, HttpStatusCode status, string code) =>
        (await shared.Host.SendAsync(new HttpMethod(method), path, headers: ("Accept", "text/plain"))).IsProblem(status, code);

    [Fact]
    public async Task Given_the_health_endpoints_Then_they_say_what_is_up()
    {
        Assert.Equal(HttpStatusCode.OK, (await shared.Host.Http.GetAsync("/health/live", TestContext.Current.CancellationToken)).StatusCode);
        var ready = (await shared.Host.GetAsync("/health/ready")).Is(HttpStatusCode.OK);
        Assert.Equal(("Healthy", "Healthy"), (ready.Text("status"), (string?)ready.Json!["checks"]!["schema"]!["status"]));
    }
}
