using System.Net;
using System.Text.Json.Nodes;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Operations;

/// <summary>Each wrong change has its status, its code, and a sentence that says what to mend.</summary>
public sealed class BadChangeTests(SharedDirector shared) : IClassFixture<SharedDirector>
{
    [Theory]
    [InlineData("{\"components\": [", "malformed-json", "line 1")]
    [InlineData("", "malformed-json", "one JSON object")]
    [InlineData("[]", "invalid-field", "must be an object")]
    [InlineData("{\"components\": [], \"target\": {}, \"componets\": []}", "unknown-field", "componets")]
    [InlineData("{\"components\": []}", "missing-field", "target is missing; say which runtimes it is for")]
    [InlineData("{\"target\": {}}", "missing-field", "components is missing")]
    [InlineData("{\"components\": [{\"name\": \"store\"}], \"target\": {}}", "missing-field", "components[0].type")]
    [InlineData("{\"components\": [{\"name\": \"No Name\", \"type\": \"state.redis\"}], \"target\": {}}", "invalid-name", "components[0].name")]
    [InlineData("{\"components\": [], \"target\": {\"kinds\": [\"mainframe\"]}}", "invalid-field", "managed-kyma")]
    [InlineData("{\"components\": [], \"target\": {\"runtimeIds\": [\"A B\"]}}", "invalid-name", "target.runtimeIds[0]")]
    [InlineData("{\"components\": [], \"target\": {}, \"policy\": {\"maxFailures\": -1}}", "invalid-field", "policy.maxFailures")]
    [InlineData("{\"components\": [], \"target\": {}, \"policy\": {\"progressDeadline\": \"soon\"}}", "invalid-field", "hh:mm:ss")]
    [InlineData("{\"components\": [], \"target\": {}, \"policy\": {\"maxFailure\": 1}}", "unknown-field", "maxFailures")]
    public async Task Given_a_body_of_the_wrong_shape_Then_it_is_a_bad_request(string body, string code, string says) =>
        (await PutAsync(body)).IsProblem(HttpStatusCode.BadRequest, code, says);

    [Theory]
    [InlineData("Cache")]
    [InlineData("-cache")]
    [InlineData("ca_che")]
    [InlineData("a-name-of-more-than-sixty-three-characters-is-longer-than-a-dns-label")]
    public async Task Given_a_configuration_name_that_is_no_DNS_label_Then_it_is_a_bad_request(string name) =>
        (await shared.Host.PutAsync(name, Change.To("redis-a"))).IsProblem(HttpStatusCode.BadRequest, "invalid-name", "a-z");

    [Fact]
    public async Task Given_a_selector_that_matches_nothing_Then_it_is_a_conflict_that_names_the_ways_out()
    {
        (await shared.Host.PutAsync("nobody", Change.ToRegion("redis-a", "mars")))
            .IsProblem(HttpStatusCode.Conflict, "no-matching-runtime", "target", "allowEmpty");
        (await shared.Host.GetAsync("/api/v1/configurations/nobody")).IsProblem(HttpStatusCode.NotFound, "configuration-not-found");
        (await shared.Host.PutAsync("nobody", Change.ToRegion("redis-a", "mars").With("allowEmpty", true))).Is(HttpStatusCode.Accepted);
    }

    [Fact]
    public async Task Given_a_reference_to_a_credential_that_is_not_there_Then_it_is_unknown()
    {
        var component = Change.Component("store", "redis-a");
        component["metadata"]!.AsArray().Add(new JsonObject
        {
            ["name"] = "redisPassword", ["secretKeyRef"] = new JsonObject { ["name"] = "redis", ["key"] = "password" },
        });
        (await PutAsync(Change.Of(new { }, null, null, component)))
            .IsProblem(HttpStatusCode.UnprocessableEntity, "unknown-credential", "components[0].metadata[1].secretKeyRef", "make it first");
    }

    [Fact]
    public async Task Given_a_secret_in_clear_Then_it_is_refused_with_the_way_to_do_it_right_and_is_not_repeated()
    {
        var component = Change.Component("store", "redis-a");
        component["metadata"]!.AsArray().Add(new JsonObject { ["name"] = "redisPassword", ["value"] = "hunter2" });
        var answer = (await PutAsync(Change.Of(new { }, null, null, component)))
            .IsProblem(HttpStatusCode.UnprocessableEntity, "plaintext-secret", "secretKeyRef", "allowPlaintext");
        Assert.DoesNotContain("hunter2", answer.Json!.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_content_over_256_KiB_Then_it_is_too_large() =>
        (await PutAsync(Change.To(new string('x', 257 * 1024))))
            .IsProblem(HttpStatusCode.RequestEntityTooLarge, "configuration-too-large", "262144", "Split it");

    [Fact]
    public async Task Given_a_body_over_1_MiB_Then_it_is_too_large() =>
        (await PutAsync(Change.To(new string('x', 1025 * 1024))))
            .IsProblem(HttpStatusCode.RequestEntityTooLarge, "configuration-too-large", "1048576", "smaller");

    [Fact]
    public async Task Given_configurations_that_sum_up_to_over_1_MiB_for_a_runtime_Then_the_one_too_many_is_refused()
    {
        for (var i = 0; i < 4; i++)
        {
            var body = Change.To(new string('x', 250 * 1024), new { runtimeIds = new[] { "eu-1" } }, component: $"big-{i}");
            await shared.Host.GivenRolledOutAsync($"big-{i}", body);
        }

        (await shared.Host.PutAsync("big-4", Change.To(new string('x', 60 * 1024), component: "big-4")))
            .IsProblem(HttpStatusCode.UnprocessableEntity, "runtime-content-too-large", "eu-1", "narrow `target`");
        await shared.Host.GivenRolledOutAsync("big-0", Change.To("small", new { runtimeIds = new[] { "eu-1" } }, component: "big-0"));
        await shared.Host.GivenRolledOutAsync("big-4", Change.To(new string('x', 60 * 1024), component: "big-4"));
    }

    [Fact]
    public async Task Given_a_revision_that_is_expected_and_is_not_the_newest_Then_the_precondition_failed()
    {
        (await PutAsync(Change.To("redis-z"), ("If-Match", "\"7\""))).IsProblem(
            HttpStatusCode.PreconditionFailed, "precondition-failed", "revision 1", "Read it again");
        (await PutAsync(Change.To("redis-z"), ("If-None-Match", "*"))).IsProblem(
            HttpStatusCode.PreconditionFailed, "precondition-failed", "revision 1");
        (await shared.Host.DeleteAsync("/api/v1/configurations/cache", ("If-Match", "\"7\""))).IsProblem(
            HttpStatusCode.PreconditionFailed, "precondition-failed", "revision 1");
        (await shared.Host.PutAsync("not-there", Change.To("redis-z"), ("If-Match", "\"1\""))).IsProblem(
            HttpStatusCode.PreconditionFailed, "precondition-failed", "does not exist");
        (await PutAsync(Change.To("redis-z"), ("If-Match", "yesterday"))).IsProblem(
            HttpStatusCode.BadRequest, "invalid-if-match", "ETag");
    }

    [Theory]
    [InlineData("{\"strategy\": \"waves\"}", "policy.strategy")]
    [InlineData("{\"bakeTime\": \"00:05:00\"}", "policy.bakeTime")]
    [InlineData("{\"failureStrategy\": \"rollback\"}", "policy.failureStrategy")]
    [InlineData("{\"maxFailures\": \"10%\"}", "policy.maxFailures")]
    [InlineData("{\"deferredTtl\": \"01:00:00\"}", "policy.deferredTtl")]
    public async Task Given_a_policy_that_is_to_come_Then_it_is_refused_and_never_ignored(string policy, string says) =>
        (await PutAsync(Change.To("redis-z").With("policy", JsonNode.Parse(policy))))
            .IsProblem(HttpStatusCode.UnprocessableEntity, "not-implemented", says);

    [Fact]
    public async Task Given_a_dry_run_or_a_value_per_runtime_Then_it_is_refused_and_never_ignored()
    {
        (await shared.Host.SendAsync(HttpMethod.Put, "/api/v1/configurations/cache?dryRun=true", Change.To("redis-z")))
            .IsProblem(HttpStatusCode.UnprocessableEntity, "not-implemented", "dryRun");
        (await PutAsync(Change.To("redis-{{runtime.labels.region}}")))
            .IsProblem(HttpStatusCode.UnprocessableEntity, "not-implemented", "components[0].metadata[0].value");
    }

    [Fact]
    public async Task Given_a_configuration_that_is_not_there_Then_its_deletion_is_not_found() =>
        (await shared.Host.DeleteAsync("/api/v1/configurations/not-there")).IsProblem(HttpStatusCode.NotFound, "configuration-not-found");

    private Task<Answer> PutAsync(object body, params (string, string)[] headers) => shared.Host.PutAsync("cache", body, headers);

    [Fact]
    public async Task Given_a_deletion_When_only_its_plan_is_asked_for_Then_nothing_is_deleted()
    {
        (await shared.Host.DeleteAsync("/api/v1/configurations/cache?dryRun=true"))
            .IsProblem(HttpStatusCode.UnprocessableEntity, "not-implemented", "dryRun");
        Assert.False((await shared.Host.GetAsync("/api/v1/configurations/cache")).Is(HttpStatusCode.OK).Json!["deleted"]!.GetValue<bool>());
    }

    [Fact]
    public async Task Given_a_runtime_that_somebody_else_changed_When_it_is_deregistered_Then_it_stays()
    {
        (await shared.Host.DeleteAsync("/api/v1/runtimes/eu-1?force=true", ("If-Match", "\"999\"")))
            .IsProblem(HttpStatusCode.PreconditionFailed, "precondition-failed", "Read it again");
        (await shared.Host.GetAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.OK);
    }
}
