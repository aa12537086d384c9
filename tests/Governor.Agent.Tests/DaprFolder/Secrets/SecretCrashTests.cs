using System.Text.Json;
using Governor.Agent.DaprFolder;
using Governor.Agent.DaprFolder.Secrets;
using Microsoft.Extensions.Logging.Abstractions;

namespace Governor.Agent.Tests.DaprFolder.Secrets;

/// <summary>A process that dies between any two steps of a rotation leaves a folder that is consistent, and the next message
/// ends the work.</summary>
public sealed class SecretCrashTests : SecretScenario
{
    private const int Steps = 8;

    public static MatrixTheoryData<int, bool> EachStep => new(Enumerable.Range(0, Steps + 1), [false, true]);

    [Theory]
    [MemberData(nameof(EachStep))]
    public async Task Given_a_crash_after_any_step_When_the_message_comes_again_Then_all_is_as_if_nothing_had_happened(int steps, bool isMarkLost)
    {
        var after = await CrashedAsync(steps, isMarkLost);
        await ApplyAsync([Orders("v2")], Shop("v2"));
        Assert.Equal(["orders@v2"], Held);
        AssertShows(Shop("v2"));
        foreach (var (path, content) in after.Where(file => !file.Key.EndsWith(".governor.json", StringComparison.Ordinal)))
            Assert.True(AtomicFile.Holds(path, content), path);
        Assert.Equal(after.Keys, Snapshot().Keys);
    }

    [Theory]
    [MemberData(nameof(EachStep))]
    public async Task Given_a_crash_after_any_step_When_another_message_comes_Then_that_one_holds(int steps, bool isMarkLost)
    {
        await CrashedAsync(steps, isMarkLost);
        await ApplyAsync([Orders("v3")], Shop("v3"));
        Assert.Equal(["orders@v3"], Held);
        Assert.Equal("t0p-s3cretv3", Resolve("sink", "orders", "token"));
        await ApplyAsync();
        Assert.Empty(ComponentFiles);
        Assert.Empty(SecretFiles);
        Assert.Empty(Held);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Given_a_removal_that_ended_at_a_store_When_observed_Then_no_secret_is_left_that_is_not_told(bool isMarkLost)
    {
        await ApplyAsync([Orders("v1")], Shop());
        var found = new FolderSnapshot();
        found.AddStore(Id("orders@v1"), new OwnStore("", Versions: null));
        File.Delete(PathOf(StoreFile("orders@v1")));
        Directory.CreateDirectory(PathOf(StoreFile("orders@v1"))); // cannot be deleted as a file: here it ends
        Assert.ThrowsAny<UnauthorizedAccessException>(() => Stores().RemoveUnused(new FolderMark(), found));

        Crashed(isMarkLost);
        Assert.Empty(SecretFiles);
        Assert.Empty(Held);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Given_a_secret_file_whose_store_is_gone_When_observed_Then_its_version_is_told_until_the_next_message_has_removed_it(bool isMarkLost)
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.Delete(PathOf("sink.yaml"));
        File.Delete(PathOf(StoreFile("orders@v1")));
        Crashed(isMarkLost);
        Assert.Equal(["orders@tampered", "orders@v1"], Held);

        await ApplyAsync();
        Assert.Empty(SecretFiles);
        Assert.Empty(Held);
    }

    [Theory]
    [InlineData("before its name")]
    [InlineData("before its store")]
    public async Task Given_a_new_version_whose_writing_ended_When_observed_Then_it_is_told_though_nothing_leads_to_it_And_the_next_message_removes_it(string end)
    {
        await ApplyAsync([Orders("v1")], Shop());
        var obstacle = PathOf(end == "before its name" ? SecretFile("orders@v2") : StoreFile("orders@v2"));
        Directory.CreateDirectory(obstacle); // here it ends
        Assert.True(Record.Exception(() => Stores().Write(new SecretSet([Orders("v2")]), new FolderMark())) is IOException or UnauthorizedAccessException);
        Directory.Delete(obstacle);
        if (end == "before its name")
            AtomicFile.StageFor(obstacle, [1], secret: true); // what a process that dies does not take away

        Crashed(isMarkLost: false);
        Assert.Equal(2, SecretFiles.Length);
        Assert.Equal(["orders@tampered", "orders@v1", "orders@v2"], Held);

        await ApplyAsync([Orders("v1")], Shop());
        Assert.Equal([SecretFile("orders@v1")], SecretFiles);
        Assert.Equal(["orders@v1"], Held);
    }

    [Fact]
    public async Task Given_a_secret_file_and_nothing_that_knows_its_version_When_observed_Then_its_credential_is_told_as_tampered_until_it_is_gone()
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.Delete(PathOf("sink.yaml"));
        File.Delete(PathOf(StoreFile("orders@v1")));
        File.Delete(MacsPath);
        Crashed(isMarkLost: true);
        Assert.Equal(["orders@tampered"], Held);

        await ApplyAsync();
        Assert.Empty(SecretFiles);
        Assert.Empty(Held);
    }

    [Fact]
    public async Task Given_hashes_without_versions_as_they_once_were_kept_When_observed_Then_they_still_tell_what_is_whole_and_the_store_the_version()
    {
        await ApplyAsync([Orders("v1")], Shop());
        File.WriteAllText(MacsPath, JsonSerializer.Serialize(Macs(Snapshot()).ToDictionary(mac => mac.Key, mac => mac.Value.Split('\n')[0])));
        Restart();
        Assert.Equal(["orders@v1"], Held);
        Crashed(isMarkLost: true);
        Assert.Equal(["orders@tampered", "orders@v1"], Held);
    }

    /// <summary>Rotates, takes everything back but the first steps, and looks.</summary>
    private async Task<SortedDictionary<string, byte[]>> CrashedAsync(int steps, bool isMarkLost)
    {
        await ApplyAsync([Orders("v1")], Shop("v1"));
        var before = Snapshot();
        await ApplyAsync([Orders("v2")], Shop("v2"));
        var after = Snapshot();

        var both = Macs(before).Concat(Macs(after)).ToDictionary(mac => mac.Key, mac => mac.Value, StringComparer.Ordinal);
        Action[] inOrder =
        [
            () => AtomicFile.Write(MacsPath, JsonSerializer.SerializeToUtf8Bytes(both), secret: true),
            () => Put(PathOf(SecretFile("orders@v2")), after),
            () => Put(PathOf(StoreFile("orders@v2")), after),
            () => Put(PathOf("sink.yaml"), after),
            () => File.Delete(PathOf(SecretFile("orders@v1"))),
            () => File.Delete(PathOf(StoreFile("orders@v1"))),
            () => Put(MacsPath, after),
            () => Put(PathOf(".governor.json"), after),
        ];
        Assert.Equal(Steps, inOrder.Length);
        foreach (var path in after.Keys.Except(before.Keys, StringComparer.Ordinal))
            File.Delete(path);
        foreach (var path in before.Keys)
            Put(path, before);
        foreach (var step in inOrder.Take(steps))
            step();

        Crashed(isMarkLost);
        // What the sidecar reads is never a mixture, and no version is told that is not there.
        Assert.Contains($"value: \"{(steps < 4 ? "v1" : "v2")}\"", Text("sink.yaml"), StringComparison.Ordinal);
        Assert.Equal(steps < 4 ? "t0p-s3cretv1" : "t0p-s3cretv2", Resolve("sink", "orders", "token"));
        foreach (var version in new[] { "orders@v1", "orders@v2" })
            Assert.Equal(File.Exists(PathOf(SecretFile(version))), Held.Contains(version, StringComparer.Ordinal));
        Assert.All(Held, held => Assert.Contains(held, new[] { "orders@v1", "orders@v2", "orders@tampered" }, StringComparer.Ordinal));
        return after;
    }

    private void Crashed(bool isMarkLost)
    {
        if (isMarkLost)
            File.Delete(PathOf(".governor.json"));
        Restart();
    }

    private SecretStores Stores() => new(Resources, Resources, new SecretMacs(State, MacKey, NullLogger.Instance));

    private SortedDictionary<string, byte[]> Snapshot() => new(
        Directory.EnumerateFiles(Resources).Concat(Directory.EnumerateFiles(State)).ToDictionary(path => path, File.ReadAllBytes, StringComparer.Ordinal), StringComparer.Ordinal);

    private Dictionary<string, string> Macs(SortedDictionary<string, byte[]> files) => JsonSerializer.Deserialize<Dictionary<string, string>>(files[MacsPath])!;

    private void Put(string path, SortedDictionary<string, byte[]> files) =>
        AtomicFile.Write(path, files[path], secret: path == MacsPath || Path.GetFileName(path).StartsWith(".governor-secrets-", StringComparison.Ordinal));
}
