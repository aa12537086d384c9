namespace Governor.IntegrationTests.Local;

/// <summary>What a run leaves to the next one.</summary>
public sealed class RestartTests
{
    [Fact]
    public async Task Given_a_fleet_that_was_configured_and_relabelled_When_it_is_ended_or_killed_Then_the_next_run_has_all_of_it()
    {
        await using var local = new LocalGovernor();
        await local.StartAsync();
        var rolloutId = await local.RollOutExampleAsync("logging-service");
        await local.SendAsync(
            HttpMethod.Put, "/api/v1/runtimes/local-2", """{"kind":"standalone-kyma","labels":{"region":"us","mine":"yes"}}""");
        var file = local.FileOf("local-1", "logging-service");
        var writtenAt = File.GetLastWriteTimeUtc(file);

        Assert.Equal(0, await local.Process.TerminateAsync(LocalGovernor.Drain));
        await local.StartAsync();
        await IsAsBeforeAsync();

        await local.Process.KillAsync();
        await local.StartAsync();
        await IsAsBeforeAsync();

        async Task IsAsBeforeAsync()
        {
            Assert.Equal("Succeeded", (await local.GetAsync($"/admin/rollouts/{rolloutId}"))["state"]!.GetValue<string>());
            Assert.Equal("yes", (await local.GetAsync("/api/v1/runtimes/local-2"))["labels"]!["mine"]!.GetValue<string>());
            Assert.Equal(["local-1", "local-2", "local-3", "local-4"], await local.RuntimesAsync());
            Assert.Equal(writtenAt, File.GetLastWriteTimeUtc(file)); // what is there already is not written again
            var desired = await local.GetAsync("/api/v1/runtimes/local-1/desired-state");
            Assert.Contains("logging-service", desired.ToJsonString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Given_a_rollout_of_one_runtime_at_a_time_When_it_is_killed_in_the_middle_Then_the_rollout_goes_on_after_the_start()
    {
        const int Fleet = 30;
        await using var local = new LocalGovernor();
        await local.StartAsync("--runtimes", $"{Fleet}");

        var rolloutId = await local.PutAsync(
            "everywhere",
            """{"components":[{"name":"sink","type":"bindings.http"}],"target":{},"policy":{"strategy":"allAtOnce","maxConcurrency":1}}""");
        await Eventually.TrueAsync(() => local.ComponentFiles().Count >= 3, LocalGovernor.Deadline, "some runtimes hold it");
        await local.Process.KillAsync();
        Assert.InRange(local.ComponentFiles().Count, 3, Fleet - 1);

        await local.StartAsync("--runtimes", $"{Fleet}");
        await local.SucceedsAsync(rolloutId);

        Assert.Equal(Fleet, local.ComponentFiles().Count);
        Assert.Equal(Fleet, (await local.GetAsync($"/admin/rollouts/{rolloutId}"))["counts"]!["Applied"]!.GetValue<int>());
    }

    [Fact]
    public async Task Given_a_fleet_of_twelve_When_the_next_run_is_smaller_Then_the_surplus_is_gone_and_a_reset_starts_clean()
    {
        await using var local = new LocalGovernor();
        await local.StartAsync("--runtimes", "12");
        Assert.Equal(12, (await local.RuntimesAsync()).Count);
        await local.RollOutExampleAsync("logging-service");
        await local.SendAsync(HttpMethod.Put, "/api/v1/runtimes/local-one", """{"kind":"standalone-kyma"}""");
        await local.Process.TerminateAsync(LocalGovernor.Drain);

        await local.StartAsync("--runtimes", "2");
        Assert.Equal(["local-1", "local-2", "local-one"], await local.RuntimesAsync()); // the last one is not of the fleet's making
        await local.Process.TerminateAsync(LocalGovernor.Drain);

        await local.StartAsync("--reset");
        Assert.Equal(["local-1", "local-2", "local-3", "local-4"], await local.RuntimesAsync());
        Assert.Empty((await local.GetAsync("/admin/rollouts"))["items"]!.AsArray());
        Assert.Empty(local.ComponentFiles());
    }
}
