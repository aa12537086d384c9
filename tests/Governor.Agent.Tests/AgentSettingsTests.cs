using Microsoft.Extensions.Configuration;

namespace Governor.Agent.Tests;

public sealed class AgentSettingsTests
{
    private static readonly Dictionary<string, string?> Good = new(StringComparer.Ordinal)
    {
        ["Agent:RuntimeId"] = "eu-1",
        ["Agent:Kind"] = "standalone-kyma",
        ["Agent:ResourcesPath"] = "resources",
        ["Agent:StatePath"] = "state",
    };

    [Fact]
    public void Given_the_least_settings_When_read_Then_they_pass_and_the_rest_has_defaults()
    {
        var options = Read();
        AgentSettings.Check([options]);
        Assert.Equal(TimeSpan.FromMinutes(1), options.ReportInterval);
        Assert.Empty(options.DeniedComponentTypes);
        Assert.Equal(("", "", "", TimeSpan.FromSeconds(20)),
            (options.DaprGrpcEndpoint, options.DaprHttpEndpoint, options.DaprResourcesPath, options.DaprLoadTimeout));
    }

    [Theory]
    [InlineData("/var/lib/governor/resources")]
    [InlineData(@"C:\resources")]
    [InlineData(@"\\server\share")]
    public void Given_a_sidecar_When_its_settings_are_right_Then_they_pass(string path)
    {
        AgentSettings.Check([Read(("Agent:DaprGrpcEndpoint", "http://127.0.0.1:50001"), ("Agent:DaprHttpEndpoint", "https://daprd:3500/"),
            ("Agent:DaprLoadTimeout", "00:05:00"), ("Agent:DaprResourcesPath", path))]);
    }

    [Theory]
    [InlineData("Agent:RuntimeId", "Not_A_Label")]
    [InlineData("Agent:RuntimeId", "")]
    [InlineData("Agent:RuntimeId", "-eu")]
    [InlineData("Agent:RuntimeId", "eu\n")]
    [InlineData("Agent:RuntimeId", "a123456789012345678901234567890123456789012345678901234567890123")]
    [InlineData("Agent:Kind", "cloud-foundry")]
    [InlineData("Agent:Kind", "else")]
    [InlineData("Agent:ReportInterval", "00:00:00")]
    [InlineData("Agent:ReportInterval", "soon")]
    [InlineData("Agent:ResourcesPath", "")]
    [InlineData("Agent:StatePath", " ")]
    [InlineData("Agent:DeniedComponentTypes", "bind*ings")]
    [InlineData("Agent:DaprResourcesPath", "resources")]
    [InlineData("Agent:DaprGrpcEndpoint", "127.0.0.1:50001")]
    [InlineData("Agent:DaprGrpcEndpoint", "localhost:50001")]
    [InlineData("Agent:DaprGrpcEndpoint", "ftp://daprd")]
    [InlineData("Agent:DaprGrpcEndpoint", "http://daprd/path")]
    [InlineData("Agent:DaprHttpEndpoint", "daprd")]
    [InlineData("Agent:DaprHttpEndpoint", "http://127.0.0.1:3500")]
    [InlineData("Agent:DaprLoadTimeout", "00:00:00")]
    [InlineData("Agent:DaprLoadTimeout", "00:06:00")]
    [InlineData("Agent:DaprLoadTimeout", "soon")]
    public void Given_a_wrong_setting_When_checked_Then_one_line_names_it(string key, string value)
    {
        var error = Assert.Throws<AgentSettingsException>(() => AgentSettings.Check([Read((key, value))]));
        Assert.Contains(key, Assert.Single(error.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Given_several_wrong_settings_When_checked_Then_each_is_named()
    {
        var error = Assert.Throws<AgentSettingsException>(() => AgentSettings.Check([new AgentOptions()]));
        Assert.Equal(4, error.Errors.Count);
    }

    [Fact]
    public void Given_two_Agents_of_one_runtime_and_folders_When_checked_Then_both_are_refused()
    {
        var error = Assert.Throws<AgentSettingsException>(() => AgentSettings.Check([Read(), Read()]));
        Assert.Equal(3, error.Errors.Count);
    }

    [Fact]
    public void Given_denied_types_When_they_come_as_list_or_as_one_string_Then_both_are_read()
    {
        Assert.Equal(["bindings.*", "state.redis"], Read(("Agent:DeniedComponentTypes", "bindings.*, state.redis,")).DeniedComponentTypes);
        Assert.Equal(["bindings.*", "state.redis"],
            Read(("Agent:DeniedComponentTypes:0", "bindings.*"), ("Agent:DeniedComponentTypes:1", "state.redis")).DeniedComponentTypes);
    }

    private static AgentOptions Read(params (string Key, string Value)[] changes)
    {
        var settings = new Dictionary<string, string?>(Good, StringComparer.Ordinal);
        foreach (var (key, value) in changes)
            settings[key] = value;
        return AgentOptions.Read(new ConfigurationBuilder().AddInMemoryCollection(settings).Build().GetSection(AgentOptions.Section));
    }
}
