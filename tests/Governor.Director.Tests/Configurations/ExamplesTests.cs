using Governor.Director.Configurations;

namespace Governor.Director.Tests.Configurations;

public sealed class ExamplesTests
{
    // The fleet that Governor.Local makes.
    private static readonly (string Id, string Region)[] Fleet = [("local-1", "eu"), ("local-2", "us"), ("local-3", "eu"), ("local-4", "us")];

    [Theory]
    [InlineData("logging-service.json", "local-1 local-3")]
    [InlineData("state-redis-eu.json", "local-1")]
    [InlineData("state-redis-us.json", "local-2")]
    [InlineData("state-redis-shared.json", "local-1 local-2")]
    public void Given_an_example_When_parsed_Then_it_is_accepted_and_for_the_runtimes_that_it_names(string file, string runtimes)
    {
        var target = Read(file).Target;
        Assert.Equal(runtimes.Split(' '), Fleet
            .Where(runtime => target.Matches(runtime.Id, "standalone-kyma", new Dictionary<string, string> { ["region"] = runtime.Region }))
            .Select(runtime => runtime.Id));
    }

    [Fact]
    public void Given_two_runtimes_on_two_hosts_When_the_shared_store_is_added_Then_both_are_on_its_host()
    {
        Assert.Equal("redis-eu.example.com:6379", HostOf("state-redis-eu.json"));
        Assert.Equal("redis-us.example.com:6379", HostOf("state-redis-us.json"));
        Assert.Equal("redis-shared.example.com:6379", HostOf("state-redis-eu.json", "state-redis-shared.json"));
        Assert.Equal("redis-shared.example.com:6379", HostOf("state-redis-us.json", "state-redis-shared.json"));
    }

    [Fact]
    public void Given_the_folder_of_examples_When_listed_Then_every_file_is_tested_here_or_elsewhere() => Assert.Equal(
        ["digest-vectors.json", "logging-service.json", "rotate-credential.json", "state-redis-eu.json", "state-redis-shared.json", "state-redis-us.json",
            "update-configuration.json"],
        Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "examples")).Select(Path.GetFileName).Order(StringComparer.Ordinal));

    private static string? HostOf(params string[] files)
    {
        var state = DesiredStateComposer.Compose(files.Select((file, order) =>
            new AssignedContent(file, 1, "", Read(file).Priority, order, Read(file).Components)));
        var store = Assert.Single(state.Configurations.SelectMany(configuration => configuration.Components), component => !component.Shadowed);
        return store.Metadata.Single(setting => setting.Name == "redisHost").Value?.GetString();
    }

    private static ConfigurationContent Read(string file)
    {
        var outcome = ConfigurationRequestParser.Parse(Examples.Read(file));
        Assert.True(outcome.Succeeded, outcome.Refusal?.Detail);
        return outcome.Value.Content;
    }
}
