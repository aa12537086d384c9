using System.Diagnostics;
using Governor.IntegrationTests.Fleet;
using Npgsql;

namespace Governor.IntegrationTests.Crashes;

/// <summary>A backup that is older than what the fleet holds, restored as the runbook says.</summary>
public sealed class RestoredDatabaseTests
{
    [Fact]
    public async Task Given_a_backup_that_knows_less_than_the_fleet_When_it_is_restored_Then_the_fleet_follows_it_and_later_changes_reach_it()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var director = await RestartedDirector.StartAsync(sandbox, ("Drift__Interval", "00:00:02"));
        await using var fleet = await AgentFleet.StartAsync(sandbox, director.Api, "restored", 3);
        await RollOutAsync(director.Api, "known");
        var backup = Path.Combine(Path.GetTempPath(), $"{sandbox.Name}.dump");
        try
        {
            await RunAsync(sandbox, "pg_dump", "--format=custom", $"--file={backup}", sandbox.Name);
            foreach (var url in new[] { "lost-1", "lost-2" })
                await RollOutAsync(director.Api, url);
            await fleet.HoldAsync(Url("lost-2"), writes: 3);

            await director.KillAsync();
            await sandbox.ExecuteOnServerAsync($"DROP DATABASE \"{sandbox.Name}\" WITH (FORCE)");
            await sandbox.ExecuteOnServerAsync($"CREATE DATABASE \"{sandbox.Name}\"");
            await RunAsync(sandbox, "pg_restore", "--exit-on-error", $"--dbname={sandbox.Name}", backup);
        }
        finally
        {
            File.Delete(backup);
        }

        Assert.Equal(0, await RestoredAsync(sandbox));
        await director.StartAgainAsync(("Drift__Interval", "00:00:02"));

        await fleet.HoldAsync(Url("known"), writes: 4);
        await director.Api.WaitUntilHeardAsync(fleet.Ids);
        await RollOutAsync(director.Api, "next");
        await fleet.HoldAsync(Url("next"), writes: 5);
        await using var rows = Rows.Of(sandbox);
        await DirectorCrashTests.EverythingIsToldAsync(rows);
        Assert.Equal(0, await rows.ScalarAsync<long>("SELECT count(*) FROM dead_letters"));
    }

    [Fact]
    public async Task Given_a_director_at_work_When_told_that_the_database_was_restored_Then_it_refuses_and_says_what_to_do()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var director = await RunningDirector.StartAsync(sandbox);
        await using var refused = Restored(sandbox);
        Assert.Equal(1, await refused.WaitForExitAsync(RunningDirector.Patience));
        Assert.Contains("Stop all Directors", refused.Output, StringComparison.Ordinal);
    }

    private static string Url(string name) => $"https://logs.example/{name}";

    private static async Task RollOutAsync(DirectorApi director, string name) => await director.WaitUntilEndedAsync(
        await director.ChangeAsync("restored", Contents.Logging(Url(name), "fleet", "restored")), "Succeeded");

    /// <summary>Repeated as it says, until the last Director's heartbeat is old enough.</summary>
    private static async Task<int> RestoredAsync(Sandbox sandbox)
    {
        var code = -1;
        await Eventually.TrueAsync(
            async () =>
            {
                await using var process = Restored(sandbox);
                return (code = await process.WaitForExitAsync(RunningDirector.Patience)) == 0;
            },
            RunningDirector.Patience, "restored is taken");
        return code;
    }

    private static GovernorProcess Restored(Sandbox sandbox) => GovernorProcess.Start(
        "Governor.Director",
        new Dictionary<string, string?>(StringComparer.Ordinal) { ["ConnectionStrings__Director"] = sandbox.Postgres },
        ["restored"]);

    private static async Task RunAsync(Sandbox sandbox, string program, params string[] arguments)
    {
        var server = new NpgsqlConnectionStringBuilder(sandbox.Postgres);
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true };
        start.Environment["PGHOST"] = server.Host;
        start.Environment["PGPORT"] = $"{server.Port}";
        start.Environment["PGUSER"] = server.Username;
        start.Environment["PGPASSWORD"] = server.Password;
        using var process = Process.Start(start)!;
        var errors = await process.StandardError.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        Assert.True(process.ExitCode == 0, $"{program} failed: {errors}");
    }
}
