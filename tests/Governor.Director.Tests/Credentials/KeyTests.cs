using System.Net;
using Governor.Director.Tests.Hosting;
using Governor.Messaging.Sealing;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Credentials;

/// <summary>Secrets go to the pinned key of a runtime, and to no other.</summary>
public sealed class KeyTests : DirectorTests
{
    [Fact]
    public async Task Given_a_runtime_without_a_key_When_a_change_needs_secrets_Then_it_is_deferred_and_served_once_its_key_is_known()
    {
        await Host.GivenAwayRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true; // heard, but its key is not
        await Host.RecordAsync(Host["eu-1"].Report());
        await Host.GivenCredentialAsync("redis", "one");
        var rolloutId = await Host.RollOutAsync("cache", Secrets.Store());
        await Host.UntilRolloutAsync(rolloutId, "CompletedWithDeferred");
        var target = (await Host.GetAsync($"/admin/rollouts/{rolloutId}/targets")).Items.Single();
        Assert.Equal(("Deferred", "no-key"), ((string?)target["state"], (string?)target["reason"]));
        Assert.DoesNotContain(Host["eu-1"].Updates, u => u.Desired.Secrets is not null || u.Configurations().Any());

        Host["eu-1"].IsMute = false;
        await Host.PublishAsync(Host["eu-1"].Enrolment());

        await Eventually.IsTrueAsync(() => Host["eu-1"].Secret("redis", "password") == "one", "the secret");
    }

    [Fact]
    public async Task Given_an_Agent_with_another_key_When_it_cannot_open_a_message_Then_it_waits_for_an_operator_and_costs_no_attempt()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenRolledOutAsync("cache", Secrets.Store());
        var pinned = Host["eu-1"].Key.PublicKey.Kid;
        var other = SealingKeyPair.Create();
        Host["eu-1"].Key = other;

        var rolloutId = await Host.RotatedAsync("redis", "two");
        await Host.UntilRolloutAsync(rolloutId, "CompletedWithDeferred");
        var target = (await Host.GetAsync($"/admin/rollouts/{rolloutId}/targets")).Items.Single();
        Assert.Equal(("Deferred", "no-key", 0), ((string?)target["state"], (string?)target["reason"], (int)target["attempts"]!));
        await Host.UntilRuntimeAsync("eu-1", r => r.UntrustedKey is not null, "shown, since the Director asked for it");
        var runtime = (await Host.GetAsync("/api/v1/runtimes/eu-1")).Is(HttpStatusCode.OK);
        Assert.Equal((pinned, other.PublicKey.Kid), (runtime.Text("kid"), runtime.Text("untrustedKid")));
        (await Host.PostAsync("/api/v1/runtimes/eu-1/trust-key", new { kid = "guessed" })).IsProblem(HttpStatusCode.Conflict, "key-not-shown", other.PublicKey.Kid);
        Assert.Equal("one", Host["eu-1"].Secret("redis", "password"));

        (await Host.PostAsync("/api/v1/runtimes/eu-1/trust-key", new { kid = other.PublicKey.Kid })).Is(HttpStatusCode.OK);

        await Eventually.IsTrueAsync(() => Host["eu-1"].Secret("redis", "password") == "two", "sealed again");
        await Host.UntilSettledAsync("eu-1");
        (await Host.PostAsync("/api/v1/runtimes/eu-1/trust-key", new { kid = other.PublicKey.Kid })).Is(HttpStatusCode.OK); // a repeat
    }

    [Fact]
    public async Task Given_an_Agent_that_showed_another_key_When_it_is_back_on_the_pinned_one_Then_it_is_served()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenRolledOutAsync("cache", Secrets.Store());
        var (pinned, other) = (Host["eu-1"].Key, SealingKeyPair.Create());
        Host["eu-1"].Key = other;
        await Host.UntilRolloutAsync(await Host.RotatedAsync("redis", "two"), "CompletedWithDeferred");
        await Host.UntilRuntimeAsync("eu-1", r => r.UntrustedKey is not null, "shown");

        Host["eu-1"].Key = pinned;
        await Host.PublishAsync(Host["eu-1"].Enrolment());

        // Until a report comes after the last enrolment with the other key, of which one may still be on its way.
        await Eventually.IsTrueAsync(
            async () =>
            {
                await Host.RecordAsync(Host["eu-1"].Report());
                return await Host.RuntimeAsync("eu-1") is { UntrustedKid: null, UntrustedKey: null, KeyRefused: false };
            },
            "back on its key");
        await Host.AdvanceAsync(TimeSpan.FromMinutes(1));
        await Host.ScanAsync();
        await Eventually.IsTrueAsync(() => Host["eu-1"].Secret("redis", "password") == "two", "the new version");
    }

    [Fact]
    public async Task Given_a_Director_that_died_once_a_key_was_trusted_When_it_is_trusted_again_Then_what_waited_for_it_goes_out()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenRolledOutAsync("cache", Secrets.Store());
        Host["eu-1"].Key = SealingKeyPair.Create();
        await Host.UntilRolloutAsync(await Host.RotatedAsync("redis", "two"), "CompletedWithDeferred");
        await Host.UntilRuntimeAsync("eu-1", r => r.UntrustedKey is not null, "shown");
        Host["eu-1"].IsMute = true; // no report serves it instead
        var sent = Host["eu-1"].Updates.Count;

        // As the first of the two transactions leaves it.
        await Host.ChangeAsync(async db => (await db.Runtimes.SingleAsync(r => r.RuntimeId == "eu-1")).Trust());
        (await Host.PostAsync("/api/v1/runtimes/eu-1/trust-key", new { kid = Host["eu-1"].Key.PublicKey.Kid })).Is(HttpStatusCode.OK);

        await Eventually.IsTrueAsync(() => Host["eu-1"].Updates.Count > sent, "the whole, sealed to the new key");
        Assert.NotNull(RuntimeSecrets.Open(Host["eu-1"].Newest.Desired.Secrets!, "eu-1", Host["eu-1"].Newest.Generation, Host["eu-1"].Key));
    }

    [Fact]
    public async Task Given_reports_of_an_Agent_Then_they_say_which_key_it_has_whatever_a_late_enrolment_showed()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true;
        await Host.RecordAsync(Host["eu-1"].Report() with { Kid = "other", UnopenedGeneration = 1 });
        Assert.True(await Host.RuntimeAsync("eu-1") is { UntrustedKid: "other", UntrustedKey: null, KeyRefused: true });

        // What it was sent without secrets it could handle: that proves nothing of its key.
        await Host.RecordAsync(Host["eu-1"].Report() with { Kid = "other" });
        var refused = await Host.RuntimeAsync("eu-1");
        Assert.True(refused.KeyRefused);

        await Host.RecordAsync(Host["eu-1"].Report());
        await Host.RecordAsync(Host["eu-1"].Report());
        var back = await Host.RuntimeAsync("eu-1");
        Assert.True(back is { UntrustedKid: null, KeyRefused: false });
        Assert.Equal(refused.Epoch, back.Epoch); // each time that it is asked for its key raises it

        var late = SealingKeyPair.Create().PublicKey;
        await Host.PublishAsync(Host["eu-1"].Enrolment() with { PublicKey = late });
        await Host.UntilRuntimeAsync("eu-1", r => r.UntrustedKid == late.Kid, "shown");
        await Host.RecordAsync(Host["eu-1"].Report());
        Assert.True(await Host.RuntimeAsync("eu-1") is { UntrustedKid: null, UntrustedKey: null });
        (await Host.PostAsync("/api/v1/runtimes/eu-1/trust-key", new { kid = late.Kid })).IsProblem(HttpStatusCode.Conflict, "key-not-shown", "no other key");

        // With nothing unopened it is named all the same, so that there is something to trust before it is needed.
        var before = (await Host.RuntimeAsync("eu-1")).Epoch;
        await Host.RecordAsync(Host["eu-1"].Report() with { Kid = "other" });
        Assert.True(await Host.RuntimeAsync("eu-1") is { UntrustedKid: "other", KeyRefused: false } asked && asked.Epoch == before + 1);
    }

    [Fact]
    public async Task Given_a_message_to_one_runtime_Then_no_other_runtime_and_no_other_generation_opens_it()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenRolledOutAsync("cache", Secrets.Store());
        var message = Host["eu-1"].Newest;
        Assert.NotNull(RuntimeSecrets.Open(message.Desired.Secrets!, "eu-1", message.Generation, Host["eu-1"].Key));
        Assert.Null(RuntimeSecrets.Open(message.Desired.Secrets!, "eu-2", message.Generation, Host["eu-2"].Key));
        Assert.Null(RuntimeSecrets.Open(message.Desired.Secrets!, "eu-2", message.Generation, Host["eu-1"].Key));
        Assert.Null(RuntimeSecrets.Open(message.Desired.Secrets!, "eu-1", message.Generation + 1, Host["eu-1"].Key));
    }

    [Fact]
    public async Task Given_keys_that_are_none_Then_they_are_not_pinned()
    {
        await Host.GivenAwayRuntimesAsync("eu-1");
        var real = Host["eu-1"].Enrolment();
        await Host.PublishAsync(real with { PublicKey = real.PublicKey with { X = real.PublicKey.Y } });
        await Host.PublishAsync(real with { PublicKey = real.PublicKey with { Kid = "other" } });
        await Host.PublishAsync(real);
        await Host.UntilRuntimeAsync("eu-1", r => r.Kid == real.PublicKey.Kid, "pinned");
        Assert.Null((await Host.RuntimeAsync("eu-1")).UntrustedKid);
    }

    [Fact]
    public async Task Given_a_lost_runtime_When_its_holding_is_waived_Then_who_and_why_is_recorded_and_the_version_becomes_revocable()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenRolledOutAsync("cache", Secrets.Store());
        Host["eu-2"].LosesMessages = true;
        await Host.UntilRolloutAsync(
            await Host.RotatedAsync("redis", "two", new { overlap = "00:00:00", progressDeadline = "00:00:01", maxFailures = 1 }), "CompletedWithDeferred",
            during: () => Host.AdvanceAsync(TimeSpan.FromSeconds(2)));
        Assert.Contains("eu-2@1", await Host.HoldersAsync("redis"));

        (await Host.PostAsync("/admin/credentials/redis/versions/1/waive", new { runtimeId = "eu-2", reason = "burnt down" })).Is(HttpStatusCode.OK);

        Assert.DoesNotContain("eu-2@1", await Host.HoldersAsync("redis"));
        var waiver = (await Host.GetAsync("/admin/credentials/redis/usage")).Json!["waivers"]!.AsArray().Single()!;
        Assert.Equal(("eu-2", 1, "anonymous", "burnt down"),
            ((string?)waiver["runtimeId"], (int)waiver["version"]!, (string?)waiver["waivedBy"], (string?)waiver["reason"]));
        await Host.ScanAsync();
        (await Host.PostAsync("/admin/credentials/redis/versions/1/revoke")).Is(HttpStatusCode.OK);
    }
}
