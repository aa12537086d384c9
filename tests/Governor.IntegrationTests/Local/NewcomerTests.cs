using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Governor.IntegrationTests.Local;

/// <summary>What somebody sees who starts it for the first time.</summary>
public sealed partial class NewcomerTests
{
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task Given_an_empty_folder_When_it_is_started_Then_it_is_ready_within_fifteen_seconds()
    {
        // A machine that is asked to do several things at once gives each of them its share, and not always an even one.
        var fastest = TimeSpan.MaxValue;
        var within = ReadyWithin;
        for (var tries = 0; tries < 3 && fastest > within; tries++)
        {
            await using var local = new LocalGovernor();
            var since = TimeProvider.System.GetTimestamp();
            await local.StartAsync();
            var took = TimeProvider.System.GetElapsedTime(since);
            fastest = took < fastest ? took : fastest;
            within = ReadyWithin * Math.Max(1, LoadPerProcessor());
        }

        Assert.True(fastest <= within, $"The fastest start took {fastest}, more than {within}.");
    }

    [Fact]
    public async Task Given_a_start_When_it_is_ready_Then_it_prints_its_address_and_three_commands_that_work_as_printed()
    {
        await using var local = new LocalGovernor();
        await local.StartAsync();
        await local.Process.WaitForLineAsync(l => l.Contains("Stop with Ctrl+C", StringComparison.Ordinal), LocalGovernor.Deadline);

        var address = await local.Process.WaitForAddressAsync(LocalGovernor.Deadline);
        Assert.Contains($"4 runtimes, API at {address.GetLeftPart(UriPartial.Authority)}", local.Process.Output, StringComparison.Ordinal);
        Assert.Contains(Path.Combine(local.Folder, ".governor", "runtimes"), local.Process.Output, StringComparison.Ordinal);

        var commands = PrintedCommand().Matches(local.Process.Output).Select(m => m.Groups["command"].Value.Trim()).ToList();
        Assert.Equal(3, commands.Count);
        var answers = new List<JsonNode>();
        foreach (var command in commands)
            answers.Add(await RunAsync(command));
        Assert.Equal(4, answers[0]["items"]!.AsArray().Count);
        Assert.Equal(1, answers[1]["revision"]!.GetValue<int>());
        Assert.Equal("logging-service", answers[2]["items"]![0]!["configuration"]!.GetValue<string>());
    }

    [Fact]
    public async Task Given_a_tour_When_it_is_over_Then_the_log_holds_nothing_but_single_lines_of_what_happened_and_Ctrl_C_ends_it()
    {
        await using var local = new LocalGovernor(("Drift__Interval", "00:00:01"));
        local.LaunchInForeground();
        await local.ReadyAsync(LocalGovernor.Deadline);
        await local.RollOutExampleAsync("logging-service");
        await local.RollOutExampleAsync("state-redis-eu");
        var file = local.FileOf("local-1", "statestore");
        var applied = await File.ReadAllTextAsync(file);
        await File.AppendAllTextAsync(file, "# by hand\n");
        await Eventually.TrueAsync(async () => await File.ReadAllTextAsync(file) == applied, LocalGovernor.Deadline, "the file is repaired");
        await local.SendAsync(HttpMethod.Delete, "/api/v1/configurations/state-redis-eu");
        await Eventually.TrueAsync(() => !File.Exists(file), LocalGovernor.Deadline, "the file is gone");
        await local.SendAsync(HttpMethod.Delete, "/api/v1/runtimes/local-4");
        await Eventually.TrueAsync(async () => (await local.RuntimesAsync()).Count == 3, LocalGovernor.Deadline, "the runtime is gone");

        Assert.Equal(0, await local.Process.InterruptAsync(LocalGovernor.Drain));

        // The welcome apart, the log is pairs of lines: level and category, then the one line of the message.
        var lines = local.Process.Output.Split('\n');
        var heads = lines.Where(l => LogHead().IsMatch(l)).ToList();
        // The one warning is meant: whoever tries credentials should know what protects them.
        Assert.StartsWith("warn: Governor.Director.Credentials.ProtectionStart",
            Assert.Single(heads, head => !head.StartsWith("info: ", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.All(heads.Where(head => head.StartsWith("info: ", StringComparison.Ordinal)), head => Assert.Matches(@"^info: (Governor\.|Microsoft\.Hosting\.Lifetime\[)", head));
        Assert.Equal(heads.Count, lines.Count(l => l.StartsWith("      ", StringComparison.Ordinal)));
        Assert.DoesNotContain("(null)", local.Process.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", local.Process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_a_question_for_help_When_it_is_asked_Then_each_option_and_where_the_state_lies_is_told_and_nothing_is_made()
    {
        await using var local = new LocalGovernor();

        Assert.Equal(0, await local.Launch("--help").WaitForExitAsync(LocalGovernor.Deadline));

        Assert.All(
            ["--reset", "--runtimes <number>", "1 to 200", "[default: 4]", ".governor", "Urls", "Drift__Interval"],
            word => Assert.Contains(word, local.Process.Output, StringComparison.Ordinal));
        Assert.Empty(Directory.GetFileSystemEntries(local.Folder));
    }

    [Fact]
    public async Task Given_another_current_folder_When_it_is_run_by_its_project_Then_the_state_lies_below_the_folder_of_the_caller()
    {
        await using var local = new LocalGovernor();
        var configuration = AppContext.BaseDirectory.Contains($"{Path.DirectorySeparatorChar}Release{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
            ? "Release"
            : "Debug";
        var project = Repository.PathOf("src", "Governor.Local");

        local.LaunchDotnet("run", "--no-build", "--configuration", configuration, "--project", project, "--", "--runtimes", "1");
        await local.ReadyAsync(LocalGovernor.Deadline);

        Assert.True(File.Exists(local.Database), local.Database);
        Assert.False(Directory.Exists(Path.Combine(project, ".governor")));
        Assert.Equal(["local-1"], await local.RuntimesAsync());
        await local.Process.TerminateAsync(LocalGovernor.Deadline);
    }

    /// <summary>How many programs each processor had to run in the last minute.</summary>
    private static double LoadPerProcessor()
    {
        var load = File.ReadAllText("/proc/loadavg").Split(' ')[0];
        return double.Parse(load, CultureInfo.InvariantCulture) / Environment.ProcessorCount;
    }

    /// <summary>Runs a command of the shell at the root of the repository, and returns the JSON that it wrote.</summary>
    private static async Task<JsonNode> RunAsync(string command)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", command])
        {
            WorkingDirectory = Repository.Root, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, $"{command}: exit code {process.ExitCode} (127: install curl)\n{output}\n{await errors}");
        return JsonNode.Parse(output)!;
    }

    [GeneratedRegex(@"^ +(?<command>curl .*)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex PrintedCommand();

    [GeneratedRegex(@"^(trce|dbug|info|warn|fail|crit): ", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex LogHead();
}
