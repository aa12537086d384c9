using System.Net;
using System.Text.Json.Nodes;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Credentials;

/// <summary>Rotations and references that are refused, each with its code; nothing of them is kept, and no answer has a value.</summary>
public sealed class BadRotationTests : DirectorTests
{
    private const string Secret = "s3cr3t-value";

    public static TheoryData<string, HttpStatusCode, string> Bodies => new()
    {
        { "{}", HttpStatusCode.BadRequest, "missing-field" },
        { """{"entries":{}}""", HttpStatusCode.BadRequest, "invalid-field" },
        { """{"entries":["s3cr3t-value"]}""", HttpStatusCode.BadRequest, "invalid-field" },
        { """{"entries":{"password":7}}""", HttpStatusCode.BadRequest, "invalid-field" },
        { """{"entries":{"password":""}}""", HttpStatusCode.BadRequest, "invalid-field" },
        { """{"entries":{"pass word":"s3cr3t-value"}}""", HttpStatusCode.BadRequest, "invalid-name" },
        { """{"entries":{"password":"s3cr3t-value","password":"s3cr3t-value"}}""", HttpStatusCode.BadRequest, "malformed-json" },
        { """{"entries":{"password":"s3cr3t-value"},"colour":"red"}""", HttpStatusCode.BadRequest, "unknown-field" },
        { """{"entries":{"password":"s3cr3t-value"},"policy":{"strategy":"sideways"}}""", HttpStatusCode.BadRequest, "invalid-field" },
        { """{"entries":{"password":"s3cr3t-value"},"policy":{"pace":"slow"}}""", HttpStatusCode.BadRequest, "unknown-field" },
        { """{"entries":{"password":"s3cr3t-value"},"policy":{"overlap":"soon"}}""", HttpStatusCode.BadRequest, "invalid-field" },
        { """{"entries":{"password":"s3cr3t-value"},"policy":{"overlap":"1000:00:00"}}""", HttpStatusCode.BadRequest, "invalid-field" },
        { """{"entries":{"password":"s3cr3t-value"},"expiresAt":"2001-01-01T00:00:00Z"}""", HttpStatusCode.BadRequest, "invalid-field" },
        { """{"entries":{"password":"s3cr3t-value""", HttpStatusCode.BadRequest, "malformed-json" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Given_a_body_that_is_wrong_Then_it_is_refused_with_its_code_and_nothing_is_kept(string body, HttpStatusCode status, string code)
    {
        var answer = (await Host.PostAsync("/api/v1/credentials/redis/rotations", body)).IsProblem(status, code);
        Assert.DoesNotContain(Secret, answer.Json!.ToJsonString(), StringComparison.Ordinal);
        await NothingIsThereAsync();
    }

    [Theory]
    [InlineData("Redis")]
    [InlineData("redis_1")]
    [InlineData("-redis")]
    public async Task Given_a_name_that_is_no_DNS_label_Then_it_is_refused(string name)
    {
        (await Host.RotateAsync(name, new { password = Secret })).IsProblem(HttpStatusCode.BadRequest, "invalid-name");
        await NothingIsThereAsync();
    }

    [Fact]
    public async Task Given_more_than_64_KiB_of_entries_Then_it_is_too_large()
    {
        (await Host.RotateAsync("redis", new { password = new string('x', 65_536 - 8) })).Is(HttpStatusCode.Accepted);
        (await Host.RotateAsync("other", new { password = new string('x', 65_536 - 7) }))
            .IsProblem(HttpStatusCode.RequestEntityTooLarge, "credential-too-large", "65537");
    }

    [Fact]
    public async Task Given_a_component_that_refers_to_an_unknown_credential_Then_it_is_refused_where_it_says_so()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var answer = (await Host.PutAsync("cache", Secrets.Store())).IsProblem(HttpStatusCode.UnprocessableEntity, "unknown-credential", "redis");
        Assert.Equal("components[0].metadata[1].secretKeyRef.name", (string?)answer.Json!["errors"]![0]!["field"]);
    }

    [Fact]
    public async Task Given_a_component_that_refers_to_an_entry_that_is_not_there_Then_it_is_refused_and_what_is_there_is_said()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenCredentialAsync("redis", Secret);
        var answer = (await Host.PutAsync("cache", Secrets.Store(entry: "pin"))).IsProblem(HttpStatusCode.UnprocessableEntity, "unknown-entry", "pin", "password");
        Assert.Equal("components[0].metadata[1].secretKeyRef.key", (string?)answer.Json!["errors"]![0]!["field"]);
    }

    [Fact]
    public async Task Given_a_component_that_refers_to_an_entry_When_a_rotation_lacks_it_Then_it_is_refused()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenCredentialAsync("redis", Secret);
        await Host.GivenRolledOutAsync("cache", Secrets.Store());
        (await Host.RotateAsync("redis", new { pin = "1234" })).IsProblem(HttpStatusCode.UnprocessableEntity, "entry-in-use", "password", "cache");
        Assert.Equal(["current"], await Host.StagesAsync("redis"));
        (await Host.RotateAsync("redis", new { password = "two", pin = "1234" })).Is(HttpStatusCode.Accepted);
    }

    [Fact]
    public async Task Given_overlap_in_the_policy_of_a_configuration_Then_it_is_refused()
    {
        await Host.GivenRuntimesAsync("eu-1");
        (await Host.PutAsync("cache", Change.To("redis-a", policy: new { overlap = "00:10:00" }))).IsProblem(HttpStatusCode.BadRequest, "unknown-field");
    }

    [Theory]
    [InlineData("POST", "/admin/credentials/none/versions/1/revoke", null, HttpStatusCode.NotFound, "credential-not-found")]
    [InlineData("POST", "/admin/credentials/redis/versions/9/revoke", null, HttpStatusCode.NotFound, "version-not-found")]
    [InlineData("POST", "/admin/credentials/redis/versions/1/revoke", null, HttpStatusCode.Conflict, "version-in-use")]
    [InlineData("POST", "/admin/credentials/redis/versions/1/waive", "{}", HttpStatusCode.BadRequest, "missing-field")]
    [InlineData("POST", "/admin/credentials/redis/versions/1/waive", """{"runtimeId":"eu-9","reason":"lost"}""", HttpStatusCode.Conflict, "not-held")]
    [InlineData("GET", "/admin/credentials/none/usage", null, HttpStatusCode.NotFound, "credential-not-found")]
    [InlineData("GET", "/api/v1/credentials/none", null, HttpStatusCode.NotFound, "credential-not-found")]
    [InlineData("GET", "/api/v1/credentials?limit=0", null, HttpStatusCode.BadRequest, "invalid-limit")]
    public async Task Given_what_is_not_there_or_not_possible_Then_the_answer_says_so(string method, string path, string? body, HttpStatusCode status, string code)
    {
        await Host.GivenCredentialAsync("redis", Secret);
        (await Host.SendAsync(new HttpMethod(method), path, body)).IsProblem(status, code);
    }

    [Fact]
    public async Task Given_an_idempotency_key_When_the_rotation_is_repeated_Then_it_is_one_and_another_body_is_refused()
    {
        var body = new JsonObject { ["entries"] = new JsonObject { ["password"] = Secret } };
        var first = (await SendAsync(body)).Is(HttpStatusCode.Accepted);
        var again = (await SendAsync(body)).Is(HttpStatusCode.Accepted);
        Assert.Equal(first.RolloutId, again.RolloutId);
        body["entries"]!["password"] = "another";
        (await SendAsync(body)).IsProblem(HttpStatusCode.UnprocessableEntity, "idempotency-key-reused");

        Task<Answer> SendAsync(JsonObject json) => Host.SendAsync(
            HttpMethod.Post, "/api/v1/credentials/redis/rotations", json, ("Idempotency-Key", "rotation-1"));
    }

    private async Task NothingIsThereAsync()
    {
        Assert.Empty((await Host.GetAsync("/api/v1/credentials")).Is(HttpStatusCode.OK).Items);
        Assert.False(await Host.ReadAsync(db => db.CredentialVersions.AnyAsync()));
    }
}
