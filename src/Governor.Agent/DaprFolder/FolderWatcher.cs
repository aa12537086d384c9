using Microsoft.Extensions.Logging;

namespace Governor.Agent.DaprFolder;

/// <summary>Tells within seconds that files of a folder changed, and not more often than every few seconds.</summary>
/// <remarks>Events of the file system wake it early; looking at names, sizes and times every few seconds makes up for
/// folders that do not exist yet, network drives and exhausted watches.</remarks>
internal sealed partial class FolderWatcher : IAsyncDisposable
{
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan PollEvery = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan SpeakEvery = TimeSpan.FromSeconds(3);

    private readonly string folder;
    private readonly Action changed;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private readonly SemaphoreSlim hint = new(0);
    private readonly CancellationTokenSource stop = new();
    private readonly Task watching;
    private FileSystemWatcher? events;
    private bool polling;

    internal FolderWatcher(string folder, Action changed, TimeProvider clock, ILogger logger)
    {
        this.folder = folder;
        this.changed = changed;
        this.clock = clock;
        this.logger = logger;
        var seen = Look();
        Listen();
        watching = Task.Run(() => WatchAsync(seen));
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await watching;
        events?.Dispose();
        stop.Dispose();
        hint.Dispose();
    }

    private async Task WatchAsync(string seen)
    {
        try
        {
            while (true)
            {
                await HintAsync();
                if (Look() == seen)
                    continue;
                await Task.Delay(Settle, clock, stop.Token); // an editor saves in several steps
                seen = Look();
                changed();
                // A file that flaps is told of at this rate; what changes meanwhile is seen by the next look.
                await Task.Delay(SpeakEvery, clock, stop.Token);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // disposed
        }
    }

    private async Task HintAsync()
    {
        Listen();
        using var poll = clock.CreateCancellationTokenSource(PollEvery);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(poll.Token, stop.Token);
        try
        {
            await hint.WaitAsync(either.Token);
            while (hint.Wait(0, CancellationToken.None))
            {
                // one look answers all hints so far
            }
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            // time to look anyway
        }
    }

    private void Listen()
    {
        if (events is not null || !Directory.Exists(folder))
            return;
        try
        {
            var watcher = new FileSystemWatcher(folder);
            watcher.Changed += (_, _) => hint.Release();
            watcher.Created += (_, _) => hint.Release();
            watcher.Deleted += (_, _) => hint.Release();
            watcher.Renamed += (_, _) => hint.Release();
            watcher.EnableRaisingEvents = true;
            events = watcher;
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            if (!polling)
                LogPolling(folder, PollEvery, e.Message);
            polling = true;
        }
    }

    private string Look()
    {
        try
        {
            var files = new DirectoryInfo(folder);
            return !files.Exists ? "" : string.Join('\n', files.EnumerateFiles()
                .Where(file => !AtomicFile.IsTemporary(file.Name))
                .Select(file => $"{file.Name} {file.Length} {file.LastWriteTimeUtc.Ticks}")
                .Order(StringComparer.Ordinal));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message; // the next look tells
        }
    }

    [LoggerMessage(2104, LogLevel.Warning, "{Folder} cannot be watched by events and is looked at every {Interval} instead: {Reason}")]
    private partial void LogPolling(string folder, TimeSpan interval, string reason);
}
