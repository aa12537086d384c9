using System.Text.Json;
using System.Text.Json.Nodes;
using Governor.Contracts;
using Governor.Director.Tests.Commands;
using Governor.Director.Tests.Hosting;
using Governor.Messaging.Sealing;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Credentials;

/// <summary>Rotations by command: the entries are sealed to the Director, for one command.</summary>
public sealed class RotateCredentialTests : DirectorTests
{
    private const string Queue = "governor-rotate-credential";

    [Fact]
    public async Task Given_sealed_entries_Then_they_make_a_version_and_a_repeat_is_answered_as_before()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenRolledOutAsync("cache", Secrets.Store());
        var command = await CommandAsync();

        var accepted = (await Host.CommandAsync(command)).IsAccepted();
        Assert.Equal(("redis", 2), (accepted.Credential, accepted.Version));
        await Host.UntilRolloutAsync(accepted.RolloutId!, "Succeeded");
        Assert.Equal("two", Host["eu-1"].Secret("redis", "password"));
        Assert.Equal(accepted, (await Host.CommandAsync(command)).IsAccepted());
        Assert.Equal(["previous", "current"], await Host.StagesAsync("redis"));
    }

    [Fact]
    public async Task Given_entries_in_clear_Then_they_are_refused_as_plaintext_and_nothing_is_kept()
    {
        var command = (await CommandAsync()).ToJson();
        command["entries"] = new JsonObject { ["password"] = "clear-s3cr3t" };
        command["colour"] = "red";
        var rejected = (await Host.CommandAsync(Queue, command)).IsRejected("plaintext-secret");
        Assert.DoesNotContain("clear-s3cr3t", rejected.Detail, StringComparison.Ordinal);
        Assert.False(await Host.ReadAsync(db => db.Commands.AnyAsync()));
        Assert.False(await Host.ReadAsync(db => db.DeadLetters.AnyAsync()));
    }

    [Theory]
    [InlineData("another-key", "sealed-for-another-key")]
    [InlineData("another-name", "sealed-for-another")]
    [InlineData("another-command", "sealed-for-another")]
    [InlineData("changed", "sealed-broken")]
    [InlineData("garbage", "sealed-broken")]
    [InlineData("expired", "sealed-expired")]
    [InlineData("too-long", "sealed-expiry-invalid")]
    [InlineData("without-expiry", "sealed-expiry-invalid")]
    [InlineData("no-entries", "invalid-field")]
    public async Task Given_entries_that_are_sealed_wrongly_Then_they_are_refused_with_their_code(string wrong, string code)
    {
        var command = await CommandAsync(wrong);
        var rejected = (await Host.CommandAsync(command)).Rejected;
        Assert.Equal(code, rejected?.Code);
        Assert.DoesNotContain("two", JsonSerializer.Serialize(rejected), StringComparison.Ordinal);
        Assert.False(await Host.ReadAsync(db => db.CredentialVersions.AnyAsync()));
    }

    [Fact]
    public async Task Given_the_sealing_key_Then_it_is_always_the_same_and_says_nothing_private()
    {
        var key = (await Host.GetAsync("/api/v1/sealing-key")).Json!.ToJsonString();
        Assert.Equal(key, (await Host.GetAsync("/api/v1/sealing-key")).Json!.ToJsonString());
        Assert.Equal(["kid", "kty", "crv", "x", "y"], JsonNode.Parse(key)!.AsObject().Select(p => p.Key));
    }

    private async Task<RotateCredential> CommandAsync(string wrong = "")
    {
        var key = JsonSerializer.Deserialize<AgentPublicKey>((await Host.GetAsync("/api/v1/sealing-key")).Json!, JsonSerializerOptions.Web)!;
        var now = Host.Clock.GetUtcNow();
        var header = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["sub"] = wrong switch { "another-name" => "default/other/c-1", "another-command" => "default/redis/c-2", _ => "default/redis/c-1" },
        };
        if (wrong != "without-expiry")
            header["exp"] = (now + wrong switch { "expired" => TimeSpan.FromSeconds(-5), "too-long" => TimeSpan.FromHours(3), _ => TimeSpan.FromMinutes(5) }).ToUnixTimeSeconds();
        var text = wrong == "no-entries" ? "{}" : """{"password":"two"}""";
        var box = SealedBox.Seal(System.Text.Encoding.UTF8.GetBytes(text), wrong == "another-key" ? SealingKeyPair.Create().PublicKey : key, header);
        if (wrong == "changed")
            box = box[..^4] + (box[^4] == 'A' ? 'B' : 'A') + box[^3..];
        return new RotateCredential("c-1", "test", "redis", wrong == "garbage" ? "a.b.c.d.e" : box);
    }
}
