using Governor.Contracts;
using Governor.Director.Runtimes;
using Governor.Director.Tests.Hosting;
using Governor.Messaging.Sealing;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Runtimes;

public sealed class EnrolmentTests : DirectorTests
{
    [Fact]
    public async Task Given_an_Agent_that_starts_When_it_enrols_Then_its_key_is_pinned_and_it_is_asked_with_a_higher_epoch_each_time()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Assert.Equal(Host["eu-1"].Key.PublicKey.Kid, (await Host.RuntimeAsync("eu-1")).Kid);
        var asked = Host["eu-1"].Requests.Count;

        await Host.PublishAsync(Host["eu-1"].Enrolment());

        await Eventually.IsTrueAsync(() => Host["eu-1"].Requests.Count == asked + 1, "to be asked");
        var epochs = Host["eu-1"].Requests.Select(r => r.Epoch).ToList();
        Assert.Equal(epochs.Distinct().Order(), epochs);
    }

    [Fact]
    public async Task Given_a_pinned_key_When_an_Agent_shows_another_one_Then_the_first_stays_and_the_other_is_noted()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var (pinned, other) = (Host["eu-1"].Key.PublicKey.Kid, SealingKeyPair.Create());
        Host["eu-1"].Key = other;
        await Host.PublishAsync(Host["eu-1"].Enrolment());
        await Host.UntilRuntimeAsync("eu-1", r => r.UntrustedKid == other.PublicKey.Kid, "noted");
        Assert.Equal(pinned, (await Host.RuntimeAsync("eu-1")).Kid);
    }

    [Fact]
    public async Task Given_an_Agent_that_reports_When_a_standby_enrols_Then_it_stays_unanswered()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var (asked, epoch) = (Host["eu-1"].Requests.Count, (await Host.RuntimeAsync("eu-1")).Epoch);

        var standby = SealingKeyPair.Create().PublicKey;
        await Host.PublishAsync(Host["eu-1"].Enrolment(start: false) with { PublicKey = standby });

        await Host.UntilRuntimeAsync("eu-1", r => r.UntrustedKid == standby.Kid, "heard");
        Assert.Equal((asked, epoch), (Host["eu-1"].Requests.Count, (await Host.RuntimeAsync("eu-1")).Epoch));
    }

    [Fact]
    public async Task Given_silence_of_one_and_a_half_intervals_When_a_standby_enrols_Then_it_is_asked()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var asked = Host["eu-1"].Requests.Count;
        await Host.AdvanceAsync(TimeSpan.FromSeconds(100));
        await Host.PublishAsync(Host["eu-1"].Enrolment(start: false));
        await Eventually.IsTrueAsync(() => Host["eu-1"].Requests.Count == asked + 1, "to be asked");
    }

    [Fact]
    public async Task Given_an_Agent_that_reports_before_its_key_is_known_Then_it_is_asked_to_enrol()
    {
        await Host.GivenAwayRuntimesAsync("eu-1");
        await Host.RecordAsync(Host["eu-1"].Report());
        await Eventually.IsTrueAsync(() => Host["eu-1"].Requests.Any(r => r.Enrol), "to be asked for its key");
        await Host.UntilRuntimeAsync("eu-1", r => r.Kid == Host["eu-1"].Key.PublicKey.Kid, "known by its key");
    }

    [Fact]
    public async Task Given_enrolments_of_runtimes_that_nobody_registered_Then_they_are_ignored_and_the_others_are_not()
    {
        await Host.GivenAwayRuntimesAsync("eu-2");
        await Host.PublishAsync(Host["eu-1"].Enrolment());
        await Host.PublishAsync(Host["eu-2"].Enrolment());
        await Host.UntilSettledAsync("eu-2");
        Assert.Empty(Host["eu-1"].Requests);
        Assert.Equal(["eu-2"], await Host.ReadAsync(db => db.Runtimes.Select(r => r.RuntimeId).ToListAsync()));
    }

    [Fact]
    public async Task Given_a_runtime_that_stayed_in_provisioning_When_the_deadline_is_over_Then_the_drift_run_provisions_it_again()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.ChangeAsync(db => db.Runtimes.ExecuteUpdateAsync(set => set
            .SetProperty(r => r.State, RuntimeState.Provisioning).SetProperty(r => r.StateSince, Host.Clock.GetUtcNow())));

        await Host.ScanAsync();
        await Host.AdvanceAsync(TimeSpan.FromSeconds(31));
        Assert.Equal(RuntimeState.Provisioning, (await Host.RuntimeAsync("eu-1")).State);
        await Host.ScanAsync();

        await Host.UntilRuntimeAsync("eu-1", r => r.State == RuntimeState.Ready, "ready");
    }

    [Fact]
    public async Task Given_a_message_to_remove_a_queue_When_the_runtime_was_registered_again_Then_it_keeps_working()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.PublishAsync(new DeprovisionRuntime("eu-1"));
        await Host.PublishAsync(new ProvisionRuntimes(["eu-1", "nobody"]));
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
    }
}
