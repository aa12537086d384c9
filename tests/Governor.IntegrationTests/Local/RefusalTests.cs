using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Data.Sqlite;

namespace Governor.IntegrationTests.Local;

/// <summary>When it cannot start, it says why and what to do, in a line and without a stack trace.</summary>
public sealed class RefusalTests
{
    [Theory]
    [InlineData("--runtimes must be a whole number from 1 to 200", "--runtimes", "0")]
    [InlineData("--runtimes must be a whole number from 1 to 200", "--runtimes", "201")]
    [InlineData("--runtimes must be a whole number from 1 to 200", "--runtimes", "many")]
    [InlineData("--bogus", "--bogus")]
    public async Task Given_a_wrong_argument_When_it_is_started_Then_it_says_which(string expected, params string[] arguments)
    {
        await using var local = new LocalGovernor();
        local.Launch(arguments);
        await RefusesAsync(local, expected);
    }

    [Theory]
    [InlineData("Drift__Interval", "abc", "'abc' at 'Drift:Interval'")]
    [InlineData("Drift__Interval", "00:00:00", "Drift__Interval must be between 00:00:01 and 1.00:00:00")]
    [InlineData("Drift__Mode", "repair", "'repair' at 'Drift:Mode'")]
    [InlineData("Urls", "nowhere", "Invalid url: 'nowhere'")]
    public async Task Given_a_wrong_setting_When_it_is_started_Then_it_says_which_and_what_it_takes(string key, string value, string expected)
    {
        await using var local = new LocalGovernor((key, value));
        local.Launch();
        await RefusesAsync(local, expected);
    }

    [Fact]
    public async Task Given_a_port_that_another_program_has_When_it_is_started_Then_it_says_how_to_choose_another()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        await using var local = new LocalGovernor(("Urls", $"http://{other.LocalEndpoint}"));
        local.Launch();
        await RefusesAsync(local, "address already in use. Choose another address, for example Urls=http://localhost:8090");
    }

    [Fact]
    public async Task Given_one_that_runs_When_a_second_is_started_in_the_same_folder_Then_the_second_is_refused_and_the_first_goes_on()
    {
        await using var local = new LocalGovernor();
        await local.StartAsync();
        var first = local.Process;

        local.Launch("--reset");
        await RefusesAsync(local, "Is another Governor.Local running in it? Stop that one, or start in another folder.");

        await local.RollOutExampleAsync("logging-service"); // by the first, whose state nobody took away
        Assert.False(first.HasExited);
    }

    [Fact]
    public async Task Given_a_state_file_of_another_version_When_it_is_started_Then_it_names_the_way_out_and_that_way_works()
    {
        await using var local = new LocalGovernor();
        await local.StartAsync();
        Assert.Equal(0, await local.Process.TerminateAsync(LocalGovernor.Drain));
        await using (var db = new SqliteConnection($"Data Source={local.Database};Pooling=False"))
        {
            await db.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = db.CreateCommand();
            command.CommandText = "PRAGMA user_version = 4711";
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        local.Launch();
        await RefusesAsync(local, "The state file is of version 4711");
        Assert.Contains("--reset", local.Process.Output, StringComparison.Ordinal);

        await local.StartAsync("--reset");
        Assert.Equal(4, (await local.RuntimesAsync()).Count);
    }

    /// <summary>The process started last ends with exit code 1 and one line that says it all.</summary>
    private static async Task RefusesAsync(LocalGovernor local, string expected)
    {
        var code = await local.Process.WaitForExitAsync(LocalGovernor.Deadline);
        var output = local.Process.Output;
        Assert.True(code == 1, string.Create(CultureInfo.InvariantCulture, $"Exit code {code}:\n{output}"));
        Assert.Single(output.Split('\n'), line => line.Contains(expected, StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("fail:", output, StringComparison.Ordinal);
        Assert.DoesNotContain("crit:", output, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled", output, StringComparison.Ordinal);
    }
}
