using Governor.Contracts;
using Governor.Director.Reports;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Director.Tests.Reports;

public sealed class ReportTests : DirectorTests
{
    [Fact]
    public async Task Given_a_newer_report_When_an_older_one_of_its_epoch_comes_late_Then_it_changes_nothing()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var late = Host["eu-1"].Report();
        var rolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        var before = await ObservedAsync("eu-1");

        await Host.RecordAsync(late);

        Assert.Equal(before, await ObservedAsync("eu-1"));
        Assert.Equal("Applied", await Host.TargetAsync(rolloutId, "eu-1"));
    }

    [Fact]
    public async Task Given_a_report_When_it_comes_again_Then_it_changes_nothing_and_nothing_is_sent()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.UntilSettledAsync("eu-1");
        var report = Host["eu-1"].Report();
        await Host.RecordAsync(report);
        var (before, sent) = (await ObservedAsync("eu-1"), Host["eu-1"].Updates.Count);

        await Host.RecordAsync(report, report);
        await Host.RecordAsync(report);

        Assert.Equal(before, await ObservedAsync("eu-1"));
        Assert.Equal(sent, Host["eu-1"].Updates.Count);
    }

    [Fact]
    public async Task Given_a_report_of_an_epoch_that_is_over_Then_it_changes_nothing_and_its_Agent_is_told_a_higher_one()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.UntilSettledAsync("eu-1");
        Host["eu-1"].IsMute = true;
        var (before, epoch) = (await ObservedAsync("eu-1"), (await Host.RuntimeAsync("eu-1")).ReportEpoch);
        var asked = Host["eu-1"].Requests.Count;

        await Host.RecordAsync(Host["eu-1"].Report() with { Epoch = epoch - 1, Number = 10_000, Configurations = [] });

        Assert.Equal(before, await ObservedAsync("eu-1"));
        await Eventually.IsTrueAsync(() => Host["eu-1"].Requests.Count > asked, "to be asked");
        Assert.True(Host["eu-1"].Requests.Last().Epoch > epoch);
    }

    [Fact]
    public async Task Given_a_crash_after_a_report_was_recorded_and_before_the_saga_was_told_Then_its_redelivery_makes_up_for_it()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].IsMute = true;
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Eventually.IsTrueAsync(() => Host["eu-1"].Newest.Configurations().Any(), "its message");
        var report = Host["eu-1"].Handle(Host["eu-1"].Newest);
        await Host.InScopeAsync(services => services.GetRequiredService<ReportRecorder>()
            .RecordAsync([report], TestContext.Current.CancellationToken));
        Assert.Equal(("Applied", "Progressing"),
            (await Host.TargetAsync(rolloutId, "eu-1"), (await Host.RolloutAsync(rolloutId)).Text("state")));

        await Host.PublishAsync(report);

        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
    }

    [Fact]
    public async Task Given_reports_of_strangers_Then_they_are_ignored_and_the_others_of_their_batch_are_not()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.RecordAsync(
            new FakeAgent("stranger").Report(), Host["eu-1"].Report() with { Number = 500 }, new FakeAgent("other-stranger").Report());
        Assert.Equal(500, (await Host.RuntimeAsync("eu-1")).ReportNumber);
        Assert.Equal(["eu-1"], await Host.ReadAsync(db => db.Runtimes.Select(r => r.RuntimeId).ToListAsync()));
    }

    [Fact]
    public async Task Given_a_batch_of_many_runtimes_and_several_reports_of_one_Then_the_newest_of_each_counts_whatever_their_order()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2", "us-1");
        foreach (var id in new[] { "eu-1", "eu-2", "us-1" })
            Host[id].IsMute = true;
        var old = Host["eu-1"].Report();
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        foreach (var id in new[] { "eu-1", "eu-2", "us-1" })
            await Eventually.IsTrueAsync(() => Host[id].Newest.Configurations().Any(), "its message");

        await Host.RecordAsync(
            Host["eu-1"].Handle(Host["eu-1"].Newest), old, Host["eu-2"].Handle(Host["eu-2"].Newest), Host["us-1"].Handle(Host["us-1"].Newest));

        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
    }

    [Fact]
    public async Task Given_a_report_of_a_generation_before_the_dispatch_When_it_shows_the_same_content_Then_it_decides_nothing()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.UntilSettledAsync("eu-1");
        var early = Host["eu-1"].Report();
        await Host.GivenRolledOutAsync("cache", Change.To("redis-b"));
        Host["eu-1"].IsMute = true;
        var third = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilTargetAsync(third, "eu-1", "Dispatched");

        await Host.RecordAsync(early with { Number = 10_000 });

        Assert.Equal("Dispatched", await Host.TargetAsync(third, "eu-1"));
    }

    [Fact]
    public async Task Given_a_digest_that_is_there_When_a_failure_of_the_same_digest_stands_beside_it_Then_it_is_not_applied()
    {
        await Host.GivenRuntimesAsync("eu-1");
        Host["eu-1"].Applies = wanted => new ReportedConfiguration(
            wanted.Name, wanted.Digest, ApplyOutcome.Failed, wanted.Digest, "no-proof", "The sidecar does not answer.");
        var rolloutId = await Host.RollOutAsync("cache", Change.To("redis-a"));
        await Host.UntilRolloutAsync(rolloutId, "Failed");
        Assert.Equal("Failed", await Host.TargetAsync(rolloutId, "eu-1"));
    }

    [Fact]
    public async Task Given_a_generation_that_the_database_never_gave_Then_it_goes_on_from_there_and_sends_the_whole()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.UntilSettledAsync("eu-1");

        await Host.RecordAsync(Host["eu-1"].Report() with { Generation = 5000 });

        await Eventually.IsTrueAsync(() => Host["eu-1"].Newest.Generation > 5000, "the whole again");
        Assert.Equal(["cache"], Host["eu-1"].Newest.Configurations());
    }

    [Fact]
    public async Task Given_a_report_that_lists_a_configuration_twice_Then_it_spoils_nothing_for_the_others_of_its_batch()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        var item = new ReportedConfiguration("cache", new string('a', 64));
        await Host.RecordAsync(Host["eu-1"].Report() with { Configurations = [item, item] }, Host["eu-2"].Report() with { Number = 500 });
        Assert.Equal(500, (await Host.RuntimeAsync("eu-2")).ReportNumber);
        Assert.Equal(1, await Host.ReadAsync(db => db.ReportItems.CountAsync()));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    [InlineData(10_000_000)]
    public async Task Given_an_Agent_that_states_a_nonsensical_interval_Then_its_runtime_is_neither_away_nor_the_fleet_in_trouble(int days)
    {
        Host["eu-1"].ReportInterval = TimeSpan.FromDays(days);
        await Host.GivenRuntimesAsync("eu-1");
        await Host.ScanAsync();
        Assert.False((await Host.GetAsync("/api/v1/runtimes/eu-1")).Json!["away"]!.GetValue<bool>());
    }

    [Fact]
    public async Task Given_an_Agent_that_reports_on_the_bus_Then_when_it_was_heard_is_shown()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var before = (await Host.RuntimeAsync("eu-1")).HeardAt;
        await Host.PublishAsync(Host["eu-1"].Report());
        await Host.UntilRuntimeAsync("eu-1", r => r.HeardAt > before, "heard");
        Assert.NotNull((await Host.GetAsync("/api/v1/runtimes/eu-1")).Text("lastReportAt"));
    }

    private Task<string> ObservedAsync(string runtimeId) => Host.ReadAsync(async db =>
    {
        var runtime = await db.Runtimes.AsNoTracking().SingleAsync(r => r.RuntimeId == runtimeId);
        var items = await db.ReportItems.AsNoTracking().Where(i => i.RuntimeId == runtimeId).OrderBy(i => i.Item).ToListAsync();
        return $"{runtime.ReportEpoch}/{runtime.ReportNumber} {runtime.ReportedGeneration} of {runtime.Generation}: "
            + string.Join(", ", items.Select(i => $"{i.Item} {i.Digest} {i.Outcome} {i.OutcomeDigest}"));
    });
}
