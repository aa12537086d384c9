using System.Net;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Operations;

/// <summary>What is done to a restored backup before a Director works on it. Here the Director runs on: what it does next is
/// what one does that starts after the step.</summary>
public sealed class RestoreStepTests : DirectorTests
{
    [Fact]
    public async Task Given_runtimes_and_former_ones_When_a_backup_was_restored_Then_every_generation_is_at_least_the_base_and_counts_as_not_sent()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2", "us-1");
        (await Host.DeleteAsync("/api/v1/runtimes/us-1?force=true")).Is(HttpStatusCode.NoContent);

        var restored = await Host.RestoreAsync();

        Assert.Equal((2, 1), (restored.Runtimes, restored.Retired));
        Assert.InRange(restored.Base, 1, Host.Clock.GetUtcNow().ToUnixTimeMilliseconds());
        Assert.All(
            await Host.ReadAsync(db => db.Runtimes.AsNoTracking().ToListAsync()),
            r => Assert.True(r.Generation >= restored.Base && r.SentGeneration < r.Generation, $"{r.RuntimeId}: {r.SentGeneration} of {r.Generation}"));
        Assert.All(
            await Host.ReadAsync(db => db.RetiredRuntimes.AsNoTracking().ToListAsync()),
            r => Assert.Equal(restored.Base, r.Generation));
    }

    [Fact]
    public async Task Given_a_runtime_that_is_above_the_base_already_When_a_backup_was_restored_Then_its_generation_goes_up_all_the_same()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var above = Host.Clock.GetUtcNow().AddDays(1).ToUnixTimeMilliseconds();
        await Host.ChangeAsync(db => db.Runtimes.ExecuteUpdateAsync(
            set => set.SetProperty(r => r.Generation, above).SetProperty(r => r.SentGeneration, above)));

        await Host.RestoreAsync();

        var runtime = await Host.RuntimeAsync("eu-1");
        Assert.Equal((above + 1, above), (runtime.Generation, runtime.SentGeneration));
    }

    [Fact]
    public async Task Given_the_same_backup_restored_a_second_time_Then_its_base_is_higher_although_nothing_in_it_knows_of_the_first()
    {
        await Host.GivenRuntimesAsync("eu-1");
        var backup = (await Host.RuntimeAsync("eu-1")).Generation;
        var first = await Host.RestoreAsync();
        await Host.ChangeAsync(async db =>
        {
            await db.Restorations.ExecuteDeleteAsync();
            await db.Runtimes.ExecuteUpdateAsync(set => set.SetProperty(r => r.Generation, backup));
        });

        var second = await Host.RestoreAsync();

        Assert.True(second.Base > first.Base, $"{second.Base} after {first.Base}");
        Assert.Equal(second.Base, (await Host.RuntimeAsync("eu-1")).Generation);
    }

    [Fact]
    public async Task Given_a_clock_that_was_put_back_When_a_backup_was_restored_again_Then_the_base_is_higher_all_the_same()
    {
        var first = await Host.RestoreAsync();
        Host.Clock.Advance(TimeSpan.FromHours(-1));

        var second = await Host.RestoreAsync();

        Assert.Equal(first.Base + 1, second.Base);
    }

    [Fact]
    public async Task Given_a_restored_backup_When_a_runtime_reports_a_lower_generation_Then_it_is_sent_the_whole_at_once()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.UntilSettledAsync("eu-1");
        var sent = Host["eu-2"].Updates.Count;
        var restored = await Host.RestoreAsync();

        await Host.RecordAsync(Host["eu-1"].Report());

        await Host.UntilSettledAsync("eu-1");
        Assert.True(Host["eu-1"].Newest.Generation >= restored.Base);
        Assert.Equal(["cache"], Host["eu-1"].Newest.Configurations());
        Assert.Equal(sent, Host["eu-2"].Updates.Count);
    }

    [Fact]
    public async Task Given_a_restored_backup_When_the_drift_job_runs_Then_whoever_did_not_report_yet_is_sent_the_whole_too()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        await Host.UntilSettledAsync("eu-1");
        await Host.UntilSettledAsync("eu-2");
        var restored = await Host.RestoreAsync();
        await Host.AdvanceAsync(TimeSpan.FromSeconds(31)); // what was sent before the step is waited for no longer

        Assert.Equal(2, (await Host.ScanAsync()).Sent);

        foreach (var runtimeId in new[] { "eu-1", "eu-2" })
        {
            await Host.UntilSettledAsync(runtimeId);
            Assert.True(Host[runtimeId].Newest.Generation >= restored.Base);
        }
    }

    [Fact]
    public async Task Given_a_restored_backup_When_runtimes_are_registered_Then_new_and_former_ones_start_above_the_base()
    {
        await Host.GivenRuntimesAsync("eu-1");
        (await Host.DeleteAsync("/api/v1/runtimes/eu-1?force=true")).Is(HttpStatusCode.NoContent);
        var restored = await Host.RestoreAsync();

        await Host.GivenRuntimesAsync("eu-1", "eu-2");

        foreach (var runtimeId in new[] { "eu-1", "eu-2" })
        {
            Assert.True((await Host.RuntimeAsync(runtimeId)).Generation > restored.Base);
            Assert.True(Host[runtimeId].Newest.Generation > restored.Base);
        }
    }
}
