using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Governor.Agent.DaprFolder;

/// <summary>Tells within seconds that files of a _folder _changed, and not more often than every few seconds.</summary>
/// <remarks>Events of the file system wake it early; looking at names, sizes and times every few seconds makes up for
/// folders that do not exist yet, network drives and exhausted watches.</remarks>
internal sealed partial class FolderWatcher : IAsyncDisposable
{
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan PollEvery = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan SpeakEvery = TimeSpan.FromSeconds(3);

    private readonly string _folder;
    private readonly Action _changed;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Channel<bool> _hint = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watching;
    private FileSystemWatcher? _events;
    private bool _polling;

    internal FolderWatcher(string folder, Action changed, TimeProvider clock, ILogger logger)
    {
        _folder = folder;
        _changed = changed;
        _clock = clock;
        _logger = logger;
        var seen = Look();
        Listen();
        _watching = Task.Run(() => WatchAsync(seen));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        _events?.Dispose();
        _stop.Dispose();
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
                await Task.Delay(Settle, _clock, _stop.Token); // an editor saves in several steps
                seen = Look();
                _changed();
                // A file that flaps is told of at this rate; what changes meanwhile is seen by the next look.
                await Task.Delay(SpeakEvery, _clock, _stop.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // disposed
        }
    }

    private async Task HintAsync()
    {
        Listen();
        using var poll = new CancellationTokenSource(PollEvery, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(poll.Token, _stop.Token);
        try
        {
            await _hint.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
        {
            // time to look anyway
        }
    }

    private void Listen()
    {
        if (_events is not null || !Directory.Exists(_folder))
            return;
        try
        {
            var watcher = new FileSystemWatcher(_folder)
            {
                NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Attributes,
            };
            watcher.Changed += (_, _) => _hint.Writer.TryWrite(true);
            watcher.Created += (_, _) => _hint.Writer.TryWrite(true);
            watcher.Deleted += (_, _) => _hint.Writer.TryWrite(true);
            watcher.Renamed += (_, _) => _hint.Writer.TryWrite(true);
            watcher.EnableRaisingEvents = true;
            _events = watcher;
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            if (!_polling)
                LogPolling(_folder, PollEvery, e.Message);
            _polling = true;
        }
    }

    private string Look()
    {
        try
        {
            var files = new DirectoryInfo(_folder);
            return !files.Exists ? "" : string.Join('\n', files.EnumerateFiles()
                .Where(file => !AtomicFile.IsTemporary(file.Name))
                .Select(file => $"{file.Name} {file.Length} {file.LastWriteTimeUtc.Ticks} {file.UnixFileMode}")
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
