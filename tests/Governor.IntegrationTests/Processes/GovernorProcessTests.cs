namespace Governor.IntegrationTests;

public sealed class GovernorProcessTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Given_a_web_program_When_it_is_started_and_asked_to_end_Then_its_address_was_seen_and_it_ends_in_good_order()
    {
        var folder = Directory.CreateTempSubdirectory("governor-process-").FullName;
        try
        {
            await using var local = GovernorProcess.Start(
                "Governor.Local", new Dictionary<string, string?>(), workingDirectory: folder);

            var address = await local.WaitForAddressAsync(Deadline);
            Assert.True(address is { IsLoopback: true, Port: > 0 }, address.ToString());
            Assert.False(local.HasExited);
            Assert.Equal(0, await local.TerminateAsync(Deadline));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Given_a_program_that_runs_When_it_is_killed_Then_it_has_no_time_to_end_in_good_order()
    {
        var folder = Directory.CreateTempSubdirectory("governor-process-").FullName;
        try
        {
            await using var local = GovernorProcess.Start(
                "Governor.Local", new Dictionary<string, string?>(), workingDirectory: folder);
            await local.WaitForAddressAsync(Deadline);

            await local.KillAsync();

            Assert.Equal(128 + 9, await local.WaitForExitAsync(Deadline));
            Assert.DoesNotContain("Application is shutting down", local.Output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
