namespace Governor.IntegrationTests.Local;

/// <summary>Files that another hand changes.</summary>
public sealed class DriftTests
{
    [Theory]
    [InlineData("Tampered")]
    [InlineData("Missing")]
    public async Task Given_a_rollout_that_has_just_ended_When_a_file_is_changed_by_hand_Then_a_scan_finds_it_and_repairs_it(string kind)
    {
        await using var local = new LocalGovernor(("Drift__Interval", "01:00:00")); // the scans of this test, and a first one of its own
        await local.StartAsync();
        await local.RollOutExampleAsync("logging-service");
        var file = local.FileOf("local-1", "logging-service");
        var applied = await File.ReadAllTextAsync(file);

        await ChangeAsync(file, kind);

        await Eventually.TrueAsync(
            async () =>
            {
                // Looked at before too: a scan after the repair takes the finding away.
                if ((await local.FindingsAsync()).Count == 0)
                    await local.SendAsync(HttpMethod.Post, "/admin/drift/scan");
                return (await local.FindingsAsync()).Count > 0;
            },
            LocalGovernor.Deadline, "the change is found");
        Assert.Equal([("local-1", "logging-service", kind)], await local.FindingsAsync());
        await Eventually.TrueAsync(async () => await File.ReadAllTextAsync(file) == applied, LocalGovernor.Deadline, "the file is repaired");
        await Eventually.TrueAsync(
            async () =>
            {
                await local.SendAsync(HttpMethod.Post, "/admin/drift/scan");
                return (await local.FindingsAsync()).Count == 0;
            },
            LocalGovernor.Deadline, "the finding goes away");
    }

    [Fact]
    public async Task Given_the_schedule_When_files_are_changed_and_deleted_by_hand_Then_each_is_found_and_repaired_without_being_asked()
    {
        await using var local = new LocalGovernor(("Drift__Interval", "00:00:02"));
        await local.StartAsync();
        await local.RollOutExampleAsync("logging-service");
        string[] files = [local.FileOf("local-1", "logging-service"), local.FileOf("local-3", "logging-service")];
        var applied = await File.ReadAllTextAsync(files[0]);

        await ChangeAsync(files[0], "Tampered");
        await ChangeAsync(files[1], "Missing");

        var seen = new HashSet<(string, string?, string)>();
        await Eventually.TrueAsync(
            async () =>
            {
                seen.UnionWith(await local.FindingsAsync());
                return seen.Count == 2;
            },
            LocalGovernor.Deadline, () => $"both are found; until now {string.Join(", ", seen)}");
        Assert.Contains(("local-1", "logging-service", "Tampered"), seen);
        Assert.Contains(("local-3", "logging-service", "Missing"), seen);
        foreach (var file in files)
            await Eventually.TrueAsync(async () => await File.ReadAllTextAsync(file) == applied, LocalGovernor.Deadline, $"{file} is repaired");
        await Eventually.TrueAsync(async () => (await local.FindingsAsync()).Count == 0, LocalGovernor.Deadline, "the findings go away");
    }

    private static async Task ChangeAsync(string file, string kind)
    {
        if (kind == "Missing")
            File.Delete(file);
        else
            await File.AppendAllTextAsync(file, "# by hand\n");
    }
}
