using Governor.Contracts;

namespace Governor.Agent.Tests.DaprFolder;

public sealed class RefusalTests : FolderScenario
{
    private static readonly DesiredConfiguration Good = Desired.Configuration("good", Desired.Component("fine"));

    [Theory]
    [InlineData("sink.yaml", "sink")]
    [InlineData("theirs.yaml", "sink")]
    [InlineData("theirs.yml", "sink")]
    [InlineData("sink.yml", "sink")]
    public async Task Given_another_hands_component_of_that_name_When_applied_Then_it_is_foreign_and_nothing_is_touched(string file, string name)
    {
        Foreign(file, ForeignComponent(name));
        var logging = Desired.Configuration("logging", Desired.Component("sink"), Desired.Component("audit"));
        await ApplyAsync(logging, Good);

        Assert.Equal(new[] { "fine.yaml", file }.Order(StringComparer.Ordinal), ComponentFiles);
        Assert.Equal(ForeignComponent(name), Text(file));
        AssertRefused(logging, "foreign", file);
        Assert.Null(Reported("logging").Digest);
        AssertShows(Good);
    }

    [Fact]
    public async Task Given_a_component_in_the_second_document_of_another_hands_file_When_applied_Then_it_is_foreign()
    {
        Foreign("many.yaml", ForeignComponent("first") + "---\n" + ForeignComponent("sink"));
        var logging = Desired.Configuration("logging", Desired.Component("sink"));
        await ApplyAsync(logging);
        AssertRefused(logging, "foreign", "many.yaml");
    }

    [Theory]
    [InlineData("not: [yaml")]
    [InlineData("")]
    [InlineData("just text")]
    public async Task Given_an_unreadable_file_of_another_hand_When_applied_Then_only_its_own_name_is_foreign(string content)
    {
        Foreign("broken.yaml", content);
        var broken = Desired.Configuration("broken", Desired.Component("broken"));
        await ApplyAsync(Good, broken);

        Assert.Equal(content, Text("broken.yaml"));
        AssertRefused(broken, "foreign", "broken.yaml");
        AssertShows(Good);
    }

    [Fact]
    public async Task Given_a_folder_in_the_way_When_applied_Then_it_is_foreign()
    {
        Directory.CreateDirectory(PathOf("sink.yaml"));
        var logging = Desired.Configuration("logging", Desired.Component("sink"));
        await ApplyAsync(logging);
        AssertRefused(logging, "foreign", "sink.yaml");
    }

    [Fact]
    public async Task Given_a_copy_of_our_file_under_another_name_When_applied_Then_it_is_foreign_because_daprd_would_see_the_name_twice()
    {
        var logging = Desired.Configuration("logging", Desired.Component("sink"));
        await ApplyAsync(logging);
        File.Copy(PathOf("sink.yaml"), PathOf("copy.yaml"));
        await ApplyAsync(logging);
        AssertRefused(logging, "foreign", "copy.yaml");
        Assert.True(File.Exists(PathOf("copy.yaml")));
    }

    [Fact]
    public async Task Given_last_good_content_When_the_next_is_refused_Then_all_of_it_stays_and_its_digest_shows()
    {
        var good = Desired.Configuration("logging", Desired.Component("sink"), Desired.Component("audit"));
        await ApplyAsync(good);
        Foreign("theirs.yaml", ForeignComponent("more"));
        var bad = Desired.Configuration("logging", Desired.Component("sink", "two"), Desired.Component("more"));
        await ApplyAsync(bad);

        Assert.Equal(["audit.yaml", "sink.yaml", "theirs.yaml"], ComponentFiles);
        Assert.DoesNotContain("two", Text("sink.yaml"), StringComparison.Ordinal);
        AssertRefused(bad, "foreign", "theirs.yaml");
        Assert.Equal(good.Digest, Reported("logging").Digest);
    }

    [Fact]
    public async Task Given_a_name_that_another_hand_held_When_it_lets_go_Then_the_report_asks_for_the_content_again()
    {
        Foreign("theirs.yaml", ForeignComponent("sink"));
        var logging = Desired.Configuration("logging", Desired.Component("sink"));
        await ApplyAsync(logging);
        AssertRefused(logging, "foreign", "theirs.yaml");

        File.Delete(PathOf("theirs.yaml"));

        var reported = Reported("logging");
        Assert.Equal((ApplyOutcome.Failed, logging.Digest, "foreign"), (reported.Outcome, reported.OutcomeDigest, reported.Reason));
        Assert.Contains("no more", reported.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_a_refusal_When_its_reason_is_gone_Then_the_same_content_is_applied()
    {
        Foreign("theirs.yaml", ForeignComponent("sink"));
        var logging = Desired.Configuration("logging", Desired.Component("sink"));
        await ApplyAsync(logging);
        File.Delete(PathOf("theirs.yaml"));
        await ApplyAsync(logging);
        AssertShows(logging);
    }

    [Theory]
    [InlineData("bindings.http", "bindings.http")]
    [InlineData("bindings.*", "bindings.http")]
    [InlineData("*", "state.redis")]
    public async Task Given_a_denied_type_When_a_component_has_it_Then_its_configuration_is_rejected(string denied, string type)
    {
        Restart(denied);
        var logging = Desired.Configuration("logging", Desired.Component("sink", type: type));
        await ApplyAsync(logging);
        AssertRefused(logging, "denied-component-type", type);
        Assert.False(File.Exists(PathOf("sink.yaml")));
    }

    [Fact]
    public async Task Given_a_denied_type_When_a_component_has_a_longer_one_Then_it_is_applied()
    {
        Restart("bindings.http");
        var logging = Desired.Configuration("logging", Desired.Component("sink", type: "bindings.httpx"));
        await ApplyAsync(logging);
        AssertShows(logging);
    }

    [Theory]
    [InlineData("../escape")]
    [InlineData("Upper")]
    [InlineData("")]
    [InlineData(".hidden")]
    [InlineData("a..b")]
    [InlineData("new\nline")]
    public async Task Given_a_name_that_is_none_When_applied_Then_its_configuration_is_rejected(string name)
    {
        var bad = Desired.Configuration("bad", Desired.Component(name));
        await ApplyAsync(bad, Good);
        AssertRefused(bad, "invalid-component-name", $"'{name}'");
        AssertShows(Good);
    }

    [Fact]
    public async Task Given_a_name_longer_than_a_file_name_may_be_When_applied_Then_its_configuration_is_rejected()
    {
        var name = new string('a', 251);
        var bad = Desired.Configuration("bad", Desired.Component(name));
        await ApplyAsync(bad);
        AssertRefused(bad, "invalid-component-name", name);
    }

    [Fact]
    public async Task Given_a_folder_below_a_regular_file_When_applied_Then_it_failed_and_generation_and_outcome_are_told_from_memory()
    {
        var path = PathBelowAFile();
        var applier = NewApplier(path);
        await applier.ApplyAsync(5, Desired.State(Good), [], CancellationToken.None);

        var observed = applier.Observe();
        Assert.Equal(5, observed.Generation);
        var reported = Assert.Single(observed.Configurations);
        Assert.Equal((ApplyOutcome.Failed, Good.Digest, "io-error"), (reported.Outcome, reported.OutcomeDigest, reported.Reason));
        Assert.Contains(path, reported.Message, StringComparison.Ordinal);
        Assert.Null(reported.Digest);
    }
}
