using Governor.Contracts;

namespace Governor.Agent.Tests.DaprFolder;

public sealed class ObservationTests : FolderScenario
{
    private readonly DesiredConfiguration _logging = Desired.Configuration("logging", Desired.Component("sink"), Desired.Component("audit"));

    [Theory]
    [InlineData("kind: Component # edited")]
    [InlineData("")]
    [InlineData("not: [yaml")]
    public async Task Given_a_file_of_ours_that_another_hand_changed_When_observed_Then_another_digest_shows_and_the_next_apply_repairs_it(string content)
    {
        await ApplyAsync(_logging);
        File.WriteAllText(PathOf("sink.yaml"), content);

        var digest = Reported("logging").Digest;
        Assert.Matches("^[0-9a-f]{64}$", digest);
        Assert.NotEqual(_logging.Digest, digest);

        Restart();
        await ApplyAsync(_logging);
        AssertShows(_logging);
    }

    [Fact]
    public async Task Given_one_file_deleted_When_observed_Then_another_digest_shows_And_none_when_all_are_gone()
    {
        await ApplyAsync(_logging);
        File.Delete(PathOf("sink.yaml"));
        Assert.NotEqual(_logging.Digest, Reported("logging").Digest);
        Assert.NotNull(Reported("logging").Digest);

        File.Delete(PathOf("audit.yaml"));
        Assert.Null(Reported("logging").Digest);
        Assert.Equal(ApplyOutcome.Applied, Reported("logging").Outcome);

        await ApplyAsync(_logging);
        AssertShows(_logging);
    }

    [Fact]
    public async Task Given_the_mark_lost_When_observed_Then_the_files_still_count_as_ours_and_the_next_apply_writes_none()
    {
        await ApplyAsync(_logging);
        File.Delete(PathOf(".governor.json"));
        File.SetLastWriteTimeUtc(PathOf("sink.yaml"), DateTime.UnixEpoch);
        Restart();
        Assert.NotNull(Reported("logging").Digest);
        Assert.Equal(0, Applier.HandledGeneration);

        await ApplyAsync(_logging);
        Assert.Equal(DateTime.UnixEpoch, File.GetLastWriteTimeUtc(PathOf("sink.yaml")));
        AssertShows(_logging);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("""{"files":null}""")]
    [InlineData("""{"configurations":{"logging":{}}}""")]
    [InlineData("""{"configurations":{"logging":null}}""")]
    [InlineData("""{"files":{"sink":null}}""")]
    [InlineData("""{"outcomes":{"logging":null}}""")]
    [InlineData("""{"written":null}""")]
    [InlineData("""{"written":{"sink":null}}""")]
    [InlineData("""{"stores":{"0123456789abcdef":null}}""")]
    [InlineData("""{"stores":{"0123456789abcdef":{}}}""")]
    [InlineData("""{"stores":{"0123456789abcdef":{"sha256":"","credentials":{"orders":null}}}}""")]
    [InlineData("""{"stores":{"0123456789abcdef":{"sha256":"","credentials":{"orders":{"versionId":"v1","keys":[null]}}}}}""")]
    public async Task Given_a_mark_that_makes_no_sense_When_applied_Then_it_counts_as_lost(string content)
    {
        await ApplyAsync(_logging);
        File.WriteAllText(PathOf(".governor.json"), content);
        Assert.NotEqual(_logging.Digest, Reported("logging").Digest);
        await ApplyAsync(_logging);
        AssertShows(_logging);
    }

    [Fact]
    public async Task Given_the_mark_lost_When_nothing_is_desired_Then_files_with_our_mark_go()
    {
        await ApplyAsync(_logging);
        File.Delete(PathOf(".governor.json"));
        Restart();
        await ApplyAsync();
        Assert.Empty(ComponentFiles);
    }

    [Fact]
    public async Task Given_a_leftover_of_ours_that_the_mark_does_not_list_When_observed_Then_another_digest_shows_and_the_next_apply_removes_it()
    {
        await ApplyAsync(_logging);
        var leftover = Text("sink.yaml").Replace("name: \"sink\"", "name: \"stray\"", StringComparison.Ordinal);
        File.WriteAllText(PathOf("stray.yaml"), leftover);
        Assert.NotEqual(_logging.Digest, Reported("logging").Digest);

        await ApplyAsync(_logging);
        Assert.Equal(["audit.yaml", "sink.yaml"], ComponentFiles);
        AssertShows(_logging);
    }

    [Fact]
    public async Task Given_a_second_Agent_on_the_folder_When_it_has_gone_further_Then_the_first_one_knows()
    {
        await ApplyAsync(_logging);
        await NewApplier().ApplyAsync(9, Desired.Nothing, [], CancellationToken.None);
        Assert.Equal(9, Applier.HandledGeneration);
        Assert.Empty(Applier.Observe().Configurations);
    }
}
