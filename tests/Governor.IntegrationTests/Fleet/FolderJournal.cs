using System.Collections.Concurrent;

namespace Governor.IntegrationTests.Fleet;

/// <summary>Counts how often files of a folder come into place, as the operating system tells it.</summary>
internal sealed class FolderJournal : IDisposable
{
    private readonly string folder;
    private readonly FileSystemWatcher watcher;
    private readonly ConcurrentQueue<string> placed = new();
    private volatile Exception? failure;

    public FolderJournal(string folder)
    {
        this.folder = folder;
        watcher = new FileSystemWatcher(folder) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.LastWrite };
        watcher.Created += (_, e) => placed.Enqueue(e.Name!);
        watcher.Renamed += (_, e) => placed.Enqueue(e.Name!); // this is how an Agent puts a file in place
        watcher.Changed += (_, e) => placed.Enqueue($"{e.Name} in place"); // and this is how it must not
        watcher.Error += (_, e) => failure = e.GetException();
        watcher.EnableRaisingEvents = true;
    }

    /// <summary>How often a file came into place since the journal began.</summary>
    /// <param name="file">Name of the file.</param>
    /// <param name="byHand">Whether the test itself has changed it in place, as an Agent never may.</param>
    public async Task<int> CountAsync(string file, bool byHand = false)
    {
        // The system tells in order: once this file is told, everything before it was.
        var fence = $"fence-{Guid.NewGuid():n}";
        await File.WriteAllTextAsync(Path.Combine(folder, fence), "", CancellationToken.None);
        await Eventually.TrueAsync(() => placed.Contains(fence), TimeSpan.FromSeconds(30), "the system tells of a new file");
        Assert.Null(failure);
        if (!byHand)
            Assert.DoesNotContain($"{file} in place", placed);
        return placed.Count(name => name == file);
    }

    /// <summary>Calls back the moment a file comes into place, until the answer is disposed of.</summary>
    public IDisposable OnPlaced(string file, Action act)
    {
        var eye = new FileSystemWatcher(folder, file) { NotifyFilter = NotifyFilters.FileName };
        eye.Created += (_, _) => act();
        eye.Renamed += (_, _) => act();
        eye.EnableRaisingEvents = true;
        return eye;
    }

    public void Dispose() => watcher.Dispose();
}
