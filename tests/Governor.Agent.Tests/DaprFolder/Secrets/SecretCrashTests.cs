using System.Text.Json;
using Governor.Agent.DaprFolder;

namespace Governor.Agent.Tests.DaprFolder.Secrets;

/// <summary>A process that dies between any two steps of a rotation leaves a folder that is consistent, and the next message
/// ends the work.</summary>
public sealed class SecretCrashTests : SecretScenario
{
    private const int Steps = 8;

    public static TheoryData<int> EachStep => new(Enumerable.Range(0, Steps + 1));

    [Theory]
    [MemberData(nameof(EachStep))]
    public async Task Given_a_crash_after_any_step_When_the_message_comes_again_Then_all_is_as_if_nothing_had_happened(int steps)
    {
        var after = await CrashedAsync(steps);
        await ApplyAsync([Orders("v2")], Shop("v2"));
        Assert.Equal(["orders@v2"], Held);
        AssertShows(Shop("v2"));
        foreach (var (path, content) in after.Where(file => !file.Key.EndsWith(".governor.json", StringComparison.Ordinal)))
            Assert.True(AtomicFile.Holds(path, content), path);
        Assert.Equal(after.Keys, Snapshot().Keys);
    }

    [Theory]
    [MemberData(nameof(EachStep))]
    public async Task Given_a_crash_after_any_step_When_another_message_comes_Then_that_one_holds(int steps)
    {
        await CrashedAsync(steps);
        await ApplyAsync([Orders("v3")], Shop("v3"));
        Assert.Equal(["orders@v3"], Held);
        Assert.Equal("t0p-s3cretv3", Resolve("sink", "orders", "token"));
        await ApplyAsync();
        Assert.Empty(ComponentFiles);
        Assert.Empty(SecretFiles);
        Assert.Empty(Held);
    }

    /// <summary>Rotates, takes everything back but the first steps, and looks.</summary>
    private async Task<SortedDictionary<string, byte[]>> CrashedAsync(int steps)
    {
        await ApplyAsync([Orders("v1")], Shop("v1"));
        var before = Snapshot();
        await ApplyAsync([Orders("v2")], Shop("v2"));
        var after = Snapshot();

        var both = Macs(before).Concat(Macs(after)).ToDictionary(mac => mac.Key, mac => mac.Value, StringComparer.Ordinal);
        Action[] inOrder =
        [
            () => Put(PathOf(SecretFile("orders@v2")), after),
            () => AtomicFile.Write(MacsPath, JsonSerializer.SerializeToUtf8Bytes(both), secret: true),
            () => Put(PathOf(StoreFile("orders@v2")), after),
            () => Put(PathOf("sink.yaml"), after),
            () => File.Delete(PathOf(StoreFile("orders@v1"))),
            () => File.Delete(PathOf(SecretFile("orders@v1"))),
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

        Restart();
        // What the sidecar reads is never a mixture, and no version is told that is not there.
        Assert.Contains($"value: \"{(steps < 4 ? "v1" : "v2")}\"", Text("sink.yaml"), StringComparison.Ordinal);
        Assert.Equal(steps < 4 ? "t0p-s3cretv1" : "t0p-s3cretv2", Resolve("sink", "orders", "token"));
        Assert.NotEmpty(Held);
        Assert.All(Held, held => Assert.Contains(held, new[] { "orders@v1", "orders@v2", "orders@tampered" }, StringComparer.Ordinal));
        return after;
    }

    private SortedDictionary<string, byte[]> Snapshot() => new(
        Directory.EnumerateFiles(Resources).Concat(Directory.EnumerateFiles(State)).ToDictionary(path => path, File.ReadAllBytes, StringComparer.Ordinal), StringComparer.Ordinal);

    private Dictionary<string, string> Macs(SortedDictionary<string, byte[]> files) => JsonSerializer.Deserialize<Dictionary<string, string>>(files[MacsPath])!;

    private void Put(string path, SortedDictionary<string, byte[]> files) =>
        AtomicFile.Write(path, files[path], secret: path == MacsPath || Path.GetFileName(path).StartsWith(".governor-secrets-", StringComparison.Ordinal));
}
