namespace Governor.Agent.Tests.DaprFolder;

public sealed class ApplyTests : FolderScenario
{
    [Fact]
    public async Task Given_an_empty_folder_When_a_configuration_is_applied_Then_each_component_has_a_file_and_the_digest_shows()
    {
        var logging = Desired.Configuration("logging", Desired.Component("sink"), Desired.Component("audit"));
        await ApplyAsync(logging);

        Assert.Equal(["audit.yaml", "sink.yaml"], ComponentFiles);
        AssertShows(logging);
        Assert.Equal(1, Applier.HandledGeneration);
    }

    [Fact]
    public async Task Given_applied_content_When_it_is_applied_again_Then_no_file_is_written()
    {
        var logging = Desired.Configuration("logging", Desired.Component("sink"));
        await ApplyAsync(logging);
        File.SetLastWriteTimeUtc(PathOf("sink.yaml"), DateTime.UnixEpoch);
        await ApplyAsync(logging);
        Restart();
        await ApplyAsync(logging);

        // A rename would have brought another file with a time of its own.
        Assert.Equal(DateTime.UnixEpoch, File.GetLastWriteTimeUtc(PathOf("sink.yaml")));
        AssertShows(logging);
    }

    [Fact]
    public async Task Given_applied_content_When_the_same_message_comes_again_Then_not_even_the_mark_is_written()
    {
        var state = Desired.State(Desired.Configuration("logging", Desired.Component("sink")));
        await Applier.ApplyAsync(7, state, [], CancellationToken.None);
        File.SetLastWriteTimeUtc(PathOf(".governor.json"), DateTime.UnixEpoch);
        await Applier.ApplyAsync(7, state, [], CancellationToken.None);

        Assert.Equal(DateTime.UnixEpoch, File.GetLastWriteTimeUtc(PathOf(".governor.json")));
    }

    [Fact]
    public async Task Given_new_content_When_it_is_applied_Then_it_replaces_the_old_and_no_temporary_file_stays()
    {
        await ApplyAsync(Desired.Configuration("logging", Desired.Component("sink"), Desired.Component("old")));
        var next = Desired.Configuration("logging", Desired.Component("sink", "two"));
        await ApplyAsync(next);

        Assert.Equal(["sink.yaml"], ComponentFiles);
        Assert.Contains("two", Text("sink.yaml"), StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(Resources, "*.tmp"));
        AssertShows(next);
    }

    [Fact]
    public async Task Given_two_configurations_When_one_is_no_longer_desired_Then_its_components_go_and_it_is_listed_no_more()
    {
        var stays = Desired.Configuration("stays", Desired.Component("a"));
        await ApplyAsync(stays, Desired.Configuration("goes", Desired.Component("b")));
        await ApplyAsync(stays);

        Assert.Equal(["a.yaml"], ComponentFiles);
        Assert.Equal(stays.Name, Assert.Single(Applier.Observe().Configurations).Name);
    }

    [Fact]
    public async Task Given_content_of_ours_and_of_others_When_nothing_is_desired_Then_all_of_ours_goes_and_nothing_else()
    {
        Foreign("theirs.yaml", ForeignComponent("theirs"));
        await ApplyAsync(Desired.Configuration("logging", Desired.Component("sink")));
        await ApplyAsync();

        Assert.Equal(["theirs.yaml"], ComponentFiles);
        Assert.Empty(Applier.Observe().Configurations);
    }

    [Fact]
    public async Task Given_a_shadowed_component_When_applied_Then_it_is_not_written_and_the_digest_shows()
    {
        var winner = Desired.Configuration("winner", Desired.Component("sink", "winning"));
        var loser = Desired.Configuration("loser", Desired.Shadowed("sink"), Desired.Component("own"));
        await ApplyAsync(loser, winner);

        Assert.Contains("winning", Text("sink.yaml"), StringComparison.Ordinal);
        AssertShows(loser);
        AssertShows(winner);
    }

    [Fact]
    public async Task Given_a_component_When_another_configuration_shadows_it_and_leaves_again_Then_it_goes_and_comes_back()
    {
        var alone = Desired.Configuration("loser", Desired.Component("sink", "losing"));
        var winner = Desired.Configuration("winner", Desired.Component("sink", "winning"));
        await ApplyAsync(alone);
        await ApplyAsync(Desired.Configuration("loser", Desired.Component("sink", "losing", shadowed: true)), winner);
        AssertShows(winner);

        await ApplyAsync(alone);
        Assert.Contains("losing", Text("sink.yaml"), StringComparison.Ordinal);
        AssertShows(alone);
    }

    [Fact]
    public async Task Given_a_component_shadowed_by_one_that_is_refused_When_applied_Then_what_is_there_stays()
    {
        var alone = Desired.Configuration("loser", Desired.Component("sink", "losing"));
        await ApplyAsync(alone);
        Restart("denied.*");
        var shadowed = Desired.Configuration("loser", Desired.Component("sink", "losing", shadowed: true));
        await ApplyAsync(shadowed, Desired.Configuration("winner", Desired.Component("sink", "winning", "denied.type")));

        Assert.Contains("losing", Text("sink.yaml"), StringComparison.Ordinal);
        AssertShows(shadowed);
    }

    [Fact]
    public async Task Given_a_component_of_an_unassigned_configuration_When_the_one_that_takes_its_name_is_refused_Then_it_goes_all_the_same()
    {
        await ApplyAsync(Desired.Configuration("former", Desired.Component("sink")));
        Restart("denied.type");
        await ApplyAsync(Desired.Configuration("next", Desired.Component("sink", type: "denied.type")));

        Assert.Empty(ComponentFiles);
        Assert.Equal("next", Assert.Single(Applier.Observe().Configurations).Name);
    }

    [Fact]
    public async Task Given_a_refused_configuration_When_another_takes_one_of_its_names_Then_it_shows_another_digest()
    {
        var former = Desired.Configuration("former", Desired.Component("x"), Desired.Component("y"));
        await ApplyAsync(former);
        Restart("denied.type");
        var refused = Desired.Configuration("former", Desired.Component("z", type: "denied.type"));
        await ApplyAsync(refused, Desired.Configuration("next", Desired.Component("x", "taken")));

        Assert.Equal(["x.yaml", "y.yaml"], ComponentFiles);
        AssertRefused(refused, "denied-component-type", "'z'");
        var digest = Reported("former").Digest;
        Assert.NotNull(digest);
        Assert.NotEqual(former.Digest, digest);
    }

    [Fact]
    public async Task Given_a_configuration_without_components_When_applied_Then_its_digest_shows()
    {
        var empty = Desired.Configuration("empty");
        await ApplyAsync(empty);
        AssertShows(empty);
    }
}
