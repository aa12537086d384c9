using Governor.Agent.DaprFolder;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Governor.Agent.Tests.DaprFolder;

public sealed class FolderWatcherTests : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _clock = new();
    private readonly List<FolderWatcher> _watchers = [];
    private int _told;

    public async ValueTask DisposeAsync()
    {
        foreach (var watcher in _watchers)
            await watcher.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Given_a_watched_folder_When_files_come_change_and_go_Then_each_is_told()
    {
        Watch(_folder.Root);
        File.WriteAllText(_folder["a.yaml"], "one");
        await ToldAsync(1);
        File.WriteAllText(_folder["a.yaml"], "another");
        await ToldAsync(2);
        File.Delete(_folder["a.yaml"]);
        await ToldAsync(3);
    }

    [Fact]
    public async Task Given_a_folder_that_does_not_exist_When_it_comes_with_a_file_Then_it_is_told()
    {
        Watch(_folder["later"]);
        Directory.CreateDirectory(_folder["later"]);
        File.WriteAllText(Path.Combine(_folder["later"], "a.yaml"), "one");
        await ToldAsync(1);
    }

    [Fact]
    public async Task Given_a_file_that_flaps_When_the_clock_stands_Then_only_the_first_change_is_told()
    {
        Watch(_folder.Root);
        File.WriteAllText(_folder["a.yaml"], "one");
        await ToldAsync(1);
        for (var n = 0; n < 100; n++)
            File.WriteAllText(_folder["a.yaml"], new string('x', n));
        Assert.Equal(1, Volatile.Read(ref _told));
        await ToldAsync(2);
    }

    [Fact]
    public async Task Given_a_temporary_file_of_ours_When_it_comes_Then_only_what_follows_is_told()
    {
        Watch(_folder.Root);
        var temporary = AtomicFile.Stage(_folder.Root, [1]);
        Assert.True(AtomicFile.IsTemporary(Path.GetFileName(temporary)));
        _clock.Advance(TimeSpan.FromSeconds(30));
        File.WriteAllText(_folder["a.yaml"], "one");
        await ToldAsync(1);
    }

    [Fact]
    public async Task Given_a_secret_file_When_its_content_or_only_its_mode_changes_Then_it_is_told()
    {
        if (OperatingSystem.IsWindows())
            return; // access there follows the folder's list

        var path = _folder[".governor-secrets-0123456789abcdef.json"];
        AtomicFile.Write(path, [1], secret: true);
        Watch(_folder.Root);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        await ToldAsync(1);
        File.WriteAllBytes(path, [2]);
        await ToldAsync(2);
        File.Delete(path);
        await ToldAsync(3);
    }

    private void Watch(string folder) =>
        _watchers.Add(new FolderWatcher(folder, () => Interlocked.Increment(ref _told), _clock, NullLogger.Instance));

    private Task ToldAsync(int times) => Eventually.IsTrueAsync(
        () =>
        {
            if (Volatile.Read(ref _told) == times)
                return true;
            _clock.Advance(TimeSpan.FromMilliseconds(100));
            return false;
        },
        $"change {times}");
}
