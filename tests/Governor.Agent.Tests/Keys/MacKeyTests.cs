using Governor.Agent.Keys;

namespace Governor.Agent.Tests.Keys;

public sealed class MacKeyTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Given_no_key_When_the_Agent_starts_twice_Then_it_makes_one_for_itself_and_keeps_it()
    {
        var first = MacKey.LoadOrCreate(_folder["state"]);
        Assert.Equal(32, first.Length);
        Assert.Equal(first, MacKey.LoadOrCreate(_folder["state"]));
        Assert.NotEqual(first, MacKey.LoadOrCreate(_folder["other"]));
        Assert.Equal([MacKey.FileName], Directory.EnumerateFiles(_folder["state"]).Select(path => Path.GetFileName(path)));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_folder["state"], MacKey.FileName)));
    }

    [Fact]
    public async Task Given_many_Agents_of_a_runtime_When_they_start_together_Then_they_share_one_key()
    {
        var keys = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => Convert.ToHexString(MacKey.LoadOrCreate(_folder["state"])))));
        Assert.Single(keys.Distinct(StringComparer.Ordinal));
    }

    [Fact]
    public void Given_a_key_of_another_size_When_the_Agent_starts_Then_it_refuses_and_says_what_to_do()
    {
        Directory.CreateDirectory(_folder["state"]);
        File.WriteAllText(Path.Combine(_folder["state"], MacKey.FileName), "short");
        var error = Assert.Throws<AgentSettingsException>(() => MacKey.LoadOrCreate(_folder["state"]));
        Assert.Contains("or delete it", Assert.Single(error.Errors), StringComparison.Ordinal);
    }
}
