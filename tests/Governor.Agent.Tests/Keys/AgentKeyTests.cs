using Governor.Agent.Keys;
using Governor.Messaging.Sealing;

namespace Governor.Agent.Tests.Keys;

public sealed class AgentKeyTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Given_no_key_When_the_Agent_starts_twice_Then_it_makes_one_and_keeps_it()
    {
        var first = AgentKey.LoadOrCreate(_folder["state"]);
        var again = AgentKey.LoadOrCreate(_folder["state"]);
        Assert.Equal(first.PublicKey, again.PublicKey);
        Assert.True(SealingKeyPair.IsValid(first.PublicKey));
        Assert.Equal("opened"u8.ToArray(), SealedBox.Open(SealedBox.Seal("opened"u8.ToArray(), first.PublicKey, new Dictionary<string, object>()), again)?.Plaintext);
        Assert.Equal([AgentKey.FileName], Directory.EnumerateFiles(_folder["state"]).Select(path => Path.GetFileName(path)));
    }

    [Fact]
    public void Given_a_new_key_When_made_Then_nobody_else_may_read_it()
    {
        if (OperatingSystem.IsWindows())
            return; // access there follows the folder's list

        AgentKey.LoadOrCreate(_folder["state"]);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder["state"]));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_folder["state"], AgentKey.FileName)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("not a key")]
    [InlineData("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")]
    public void Given_a_corrupted_key_When_the_Agent_starts_Then_it_refuses_and_says_what_to_do(string content)
    {
        Directory.CreateDirectory(_folder["state"]);
        File.WriteAllText(Path.Combine(_folder["state"], AgentKey.FileName), content);
        var error = Assert.Throws<AgentSettingsException>(() => AgentKey.LoadOrCreate(_folder["state"]));
        Assert.Contains("restore it from a backup", Assert.Single(error.Errors), StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(Path.Combine(_folder["state"], AgentKey.FileName)));
    }

    [Fact]
    public void Given_a_folder_that_cannot_be_made_When_the_Agent_starts_Then_it_refuses_and_says_what_to_do()
    {
        File.WriteAllText(_folder["file"], "");
        var error = Assert.Throws<AgentSettingsException>(() => AgentKey.LoadOrCreate(Path.Combine(_folder["file"], "state")));
        Assert.StartsWith("Agent:StatePath: ", Assert.Single(error.Errors), StringComparison.Ordinal);
    }
}
