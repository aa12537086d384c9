using System.Net;
using Governor.Contracts;
using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Credentials;

/// <summary>What stands in the way of an old version's end, and that operators are told.</summary>
public sealed class RevocableTests : DirectorTests
{
    [Fact]
    public async Task Given_a_restored_database_When_a_runtime_has_not_reported_since_Then_nothing_is_revocable_and_operators_are_told_who_is_waited_for()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenCredentialAsync("redis", "two", new { overlap = "00:00:00" });
        await Host.RestoreAsync();
        Host["eu-2"].LosesMessages = true;
        await Host.RecordAsync(Host["eu-1"].Report());
        await Host.UntilSettledAsync("eu-1");

        await Host.ScanAsync();
        (await Host.PostAsync("/admin/credentials/redis/versions/1/revoke")).IsProblem(HttpStatusCode.Conflict, "not-yet-revocable", "restored at", "1 runtime(s)", "of this tenant eu-2");
        Assert.Contains("(of this tenant eu-2)", await BlockedByAsync(1), StringComparison.Ordinal);
        Assert.Empty(Host.Ear.Of<CredentialVersionRevocable>());

        Host["eu-2"].LosesMessages = false;
        await Host.RecordAsync(Host["eu-2"].Report());
        await Host.UntilSettledAsync("eu-2");
        Assert.DoesNotContain("restored", await BlockedByAsync(1), StringComparison.Ordinal);
        await Host.ScanAsync();
        await Eventually.IsTrueAsync(() => Host.Ear.Of<CredentialVersionRevocable>().Any(), "the announcement");
    }

    [Fact]
    public async Task Given_a_runtime_whose_id_another_tenant_has_now_When_usage_is_asked_for_Then_it_says_nothing_of_the_other_tenants_runtime()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenRolledOutAsync("cache", Secrets.Store());
        Assert.NotNull((await UsageAsync()).Items.Single()["lastReportAt"]);
        (await Host.DeleteAsync("/api/v1/runtimes/eu-1?force=true")).Is(HttpStatusCode.NoContent);
        Host["eu-1"].IsMute = true; // its former life's secrets are still there, for all that is known
        (await Host.RegisterAsync("eu-1", headers: ("Tenant", "acme"))).Is(HttpStatusCode.Created);
        await Host.RecordAsync(Host["eu-1"].Report());

        var holding = (await UsageAsync()).Items.Single();

        Assert.Equal("eu-1", (string?)holding["runtimeId"]);
        Assert.Null(holding["lastReportAt"]);
    }

    private async Task<Answer> UsageAsync() => (await Host.GetAsync("/admin/credentials/redis/usage")).Is(HttpStatusCode.OK);

    private async Task<string> BlockedByAsync(int version) =>
        (await UsageAsync()).Json!["versions"]!.AsArray().Single(v => (int)v!["version"]! == version)!["blockedBy"]!.ToJsonString();
}
