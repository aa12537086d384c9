using System.Net;
using Governor.Contracts;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Drift;

/// <summary>What was never shown is delivered, whatever the mode; what was shown and changed is not.</summary>
public abstract class DeliverTests(string mode) : DirectorTests
{
    private protected override (string Key, string Value)[] Settings => [("Drift:Mode", mode)];

    [Fact]
    public async Task Given_a_message_that_was_lost_Then_the_whole_is_sent_again_once_the_deadline_is_over()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].LosesMessages = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        Assert.Equal((0, 0), await Host.ScanAsync());

        await Host.AdvanceAsync(TimeSpan.FromSeconds(31));
        Host["eu-1"].LosesMessages = false;
        Assert.Equal((0, 1), await Host.ScanAsync());

        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
    }

    [Fact]
    public async Task Given_an_assignment_that_was_never_shown_Then_it_is_delivered()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        Host["eu-1"].Applies = wanted => new(wanted.Name, Digest: null);
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a", policy: new { maxFailures = 1, progressDeadline = "00:01:00" }));
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Applied");
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        await Host.UntilSettledAsync("eu-1");
        await Host.AdvanceAsync(TimeSpan.FromSeconds(61));
        await Host.UntilRolloutAsync(rolloutId, "CompletedWithFailures");
        Host["eu-1"].AppliesAgain();

        Assert.Equal(1, (await Host.ScanAsync()).Sent);

        await Host.UntilTargetAsync(rolloutId, "eu-1", "Applied");
    }

    [Fact]
    public async Task Given_a_runtime_that_could_not_remove_what_it_lost_Then_it_is_told_again_once_the_deadline_is_over()
    {
        await Host.GivenRuntimesAsync("eu-1", "us-1");
        await Host.GivenRolledOutAsync("cache", Change.ToRegion("redis-a", "eu"));
        await Host.UntilSettledAsync("eu-1");
        Host["eu-1"].LeavesBehind("cache");
        (await Host.RegisterAsync("eu-1", new { region = "us" })).Is(HttpStatusCode.OK);
        await Host.UntilSettledAsync("eu-1");
        Assert.Equal(0, (await Host.ScanAsync()).Sent);

        await Host.AdvanceAsync(TimeSpan.FromSeconds(31));
        Host["eu-1"].AppliesAgain();
        Assert.Equal(1, (await Host.ScanAsync()).Sent);

        await Host.UntilSettledAsync("eu-1");
        Assert.False(await Host.ReadAsync(db => db.ReportItems.AnyAsync()));
    }

    [Fact]
    public async Task Given_content_that_was_shown_and_then_changed_Then_it_is_left_as_it_is()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.UntilSettledAsync("eu-1");
        Host["eu-1"].IsTampered("cache", null);
        await Host.RecordAsync(Host["eu-1"].Report());

        Assert.Equal(0, (await Host.ScanAsync()).Sent);

        Assert.Equal(mode == "Off" ? [] : ["eu-1/cache Missing"], await Host.FindingsAsync());
    }
}

public sealed class DeliverInModeDetectTests() : DeliverTests("Detect");

public sealed class DeliverInModeOffTests() : DeliverTests("Off");

/// <summary>What is only told is told once, and taken back once it is gone.</summary>
public sealed class DetectTests : DirectorTests
{
    private static readonly string Other = new('e', 64);

    private protected override (string Key, string Value)[] Settings => [("Drift:Mode", "Detect")];

    [Fact]
    public async Task Given_a_finding_that_becomes_one_of_another_kind_Then_nothing_is_called_corrected_until_the_content_is_back()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.UntilSettledAsync("eu-1");
        foreach (var (digest, finding) in new[] { (Other, "eu-1/cache Tampered"), (null, "eu-1/cache Missing") })
        {
            Host["eu-1"].IsTampered("cache", digest);
            await Host.RecordAsync(Host["eu-1"].Report());
            Assert.Equal((1, 0), await Host.ScanAsync());
            Assert.Equal([finding], await Host.FindingsAsync());
        }

        Host["eu-1"].IsTampered("cache", Host["eu-1"].Newest.Desired.Configurations[0].Digest);
        await Host.RecordAsync(Host["eu-1"].Report());
        Assert.Equal((0, 0), await Host.ScanAsync());
        Assert.Empty(await Host.FindingsAsync());

        await Eventually.IsTrueAsync(() => Host.Ear.Of<DriftCorrected>().Any(), "the news");
        Assert.Equal(["Tampered", "Missing"], Host.Ear.Of<DriftDetected>().Select(e => e.Kind));
        Assert.Equal(["Missing"], Host.Ear.Of<DriftCorrected>().Select(e => e.Kind));
    }
}

/// <summary>Healing is bounded per run.</summary>
public sealed class BoundedRunTests : DirectorTests
{
    private protected override (string Key, string Value)[] Settings => [("Drift:MaxSends", "1")];

    [Fact]
    public async Task Given_more_drift_than_one_run_sends_to_When_the_first_ones_back_off_Then_the_next_run_serves_the_others()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        foreach (var runtimeId in new[] { "eu-1", "eu-2" })
        {
            await Host.UntilSettledAsync(runtimeId);
            Host[runtimeId].Applies = wanted => FakeAgent.Applied(wanted) with { Digest = new string('e', 64) };
            Host[runtimeId].IsTampered("cache", new string('e', 64));
            await Host.RecordAsync(Host[runtimeId].Report());
        }

        var sent = Host["eu-1"].Updates.Count + Host["eu-2"].Updates.Count;
        Assert.Equal((2, 1), await Host.ScanAsync());
        await Host.UntilSettledAsync("eu-1");
        await Host.UntilSettledAsync("eu-2");
        Assert.Equal((2, 1), await Host.ScanAsync());
        await Host.UntilSettledAsync("eu-1");
        await Host.UntilSettledAsync("eu-2");

        Assert.Equal(sent + 2, Host["eu-1"].Updates.Count + Host["eu-2"].Updates.Count);
        Assert.Equal((2, 0), await Host.ScanAsync());
    }
}
