using System.Text.Json;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Crashes;

/// <summary>Several Directors on one database and one broker, of which some come and go.</summary>
public sealed class ManyDirectorsTests
{
    private const int Rollouts = 20;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Given_three_directors_and_20_rollouts_at_once_When_one_is_killed_and_one_started_Then_all_end_rightly_and_each_interval_has_one_drift_run()
    {
        string[] ids = [.. Enumerable.Range(1, 100).Select(n => $"many-{n}")];
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var one = await StartAsync(sandbox);
        await using var two = await StartAsync(sandbox);
        await using var three = await StartAsync(sandbox);
        await one.Api.RegisterAsync(ids, ("fleet", "many"));
        await two.Api.WaitUntilProvisionedAsync(ids);
        await using var fleet = await SimulatedFleet.StartAsync(sandbox.RabbitMq, ids);
        await three.Api.WaitUntilHeardAsync(ids);

        RunningDirector[] directors = [one, two, three];
        var rolloutIds = await Task.WhenAll(Enumerable.Range(0, Rollouts).Select(n => directors[n % 3].Api.ChangeAsync($"many-{n}", Change(n))));
        await rows.WaitForAsync(100, "SELECT count(*) FROM rollout_targets WHERE state = 'Applied'");
        await one.Process.KillAsync();
        Assert.True(await rows.ScalarAsync<long>("SELECT count(*) FROM rollouts WHERE ended_at IS NULL") > 0, "The rollouts were over before the kill.");
        await using var four = await StartAsync(sandbox);

        foreach (var rolloutId in rolloutIds)
            await four.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        await DirectorCrashTests.EverythingIsToldAsync(rows);
        Assert.Equal(Rollouts * 100, await rows.ScalarAsync<long>("SELECT count(*) FROM rollout_targets WHERE state = 'Applied'"));
        Assert.Empty(fleet.Failures);

        await OneRunEachAsync(rows, Interval);
    }

    /// <summary>Fails unless the runs that were begun serve each moment of the schedule once, and more come.</summary>
    internal static async Task OneRunEachAsync(Rows rows, TimeSpan interval)
    {
        var runs = await rows.ScalarAsync<long>("SELECT count(*) FROM drift_runs");
        await rows.WaitForAsync(runs + 2, "SELECT count(*) FROM drift_runs");
        var moments = await rows.ColumnAsync<DateTime>("SELECT scheduled_at FROM drift_runs WHERE scheduled_at IS NOT NULL ORDER BY scheduled_at");
        Assert.All(moments.Zip(moments.Skip(1)), pair => Assert.Equal(interval, pair.Second - pair.First));
    }

    private static Task<RunningDirector> StartAsync(Sandbox sandbox) =>
        RunningDirector.StartAsync(sandbox, ("Drift__Interval", $"{Interval:c}"));

    /// <summary>A configuration of its own, whose component has a name of its own.</summary>
    private static string Change(int number) => JsonSerializer.Serialize(new
    {
        components = new[]
        {
            new { name = $"component-{number}", type = "bindings.http", metadata = new[] { new { name = "url", value = $"https://many.example/{number}" } } },
        },
        target = new { matchLabels = new { fleet = "many" } },
        policy = new { maxConcurrency = 50 },
    });
}
