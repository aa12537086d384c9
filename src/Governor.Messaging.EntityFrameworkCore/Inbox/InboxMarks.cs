using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Writes down, for many received messages at once and after their acknowledgement, that all they sent has left.</summary>
/// <remarks>
/// If the process dies before that, the cleanup service of any process sends those messages once more. Until it is written down,
/// this process remembers what it has sent, or is sending, so that a redelivery does not send it again.
/// </remarks>
internal sealed partial class InboxMarks<TDbContext>(
    IServiceScopeFactory scopes, OutboxOptions<TDbContext> options, TimeProvider clock, ILogger<InboxMarks<TDbContext>> logger)
    : BackgroundService, IHostedLifecycleService
    where TDbContext : DbContext
{
    private const int BatchLimit = 1000;

    /// <summary>Lets a batch gather: nobody waits for it.</summary>
    private static readonly TimeSpan Linger = TimeSpan.FromMilliseconds(50);

    private readonly ConcurrentDictionary<(Guid, Guid), InboxSending> _underWay = new();
    private readonly Channel<InboxSending> _marks = Channel.CreateUnbounded<InboxSending>();

    /// <summary>A consumer is about to run and commit, and then to send.</summary>
    public InboxSending Begin(InboxEntry entry)
    {
        var sending = new InboxSending(entry);
        _underWay[entry.Key] = sending;
        return sending;
    }

    /// <summary>The consumer could not commit, or not send everything.</summary>
    public void Abandon(InboxSending sending)
    {
        Forget(sending);
        sending.End(sent: false);
    }

    /// <summary>Everything has left, or there was nothing.</summary>
    public void Sent(InboxSending sending, bool hadMessages)
    {
        sending.HadMessages = hadMessages;
        sending.End(sent: true);
        _marks.Writer.TryWrite(sending);
    }

    /// <summary>Whether this process has sent what the message's consumer left; waits if it is at it.</summary>
    public Task<bool> IsSentAsync(InboxEntry entry, CancellationToken cancellationToken) =>
        _underWay.TryGetValue(entry.Key, out var sending) ? sending.Result.WaitAsync(cancellationToken) : Task.FromResult(false);

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>The bus has stopped, and with it the consumers: writes what is left.</summary>
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (Take() is { Count: > 0 } batch)
                await WriteAsync(batch, cancellationToken);
        }
        catch (Exception exception)
        {
            LogNotWritten(exception, typeof(TDbContext).Name);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (await _marks.Reader.WaitToReadAsync(stoppingToken))
            {
                await Task.Delay(Linger, clock, stoppingToken);
                var batch = Take();
                while (!await TryWriteAsync(batch, stoppingToken))
                    await Task.Delay(options.QueryDelay, clock, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The rest is written when the bus has stopped.
        }
    }

    private List<InboxSending> Take()
    {
        var batch = new List<InboxSending>();
        while (batch.Count < BatchLimit && _marks.Reader.TryRead(out var mark))
            batch.Add(mark);
        return batch;
    }

    private async Task<bool> TryWriteAsync(List<InboxSending> batch, CancellationToken stop)
    {
        try
        {
            await WriteAsync(batch, CancellationToken.None);
            return true;
        }
        catch (Exception exception)
        {
            LogNotWritten(exception, typeof(TDbContext).Name);
            if (!stop.IsCancellationRequested)
                return false;
            foreach (var mark in batch)
                _marks.Writer.TryWrite(mark);
            return true;
        }
    }

    private async Task WriteAsync(List<InboxSending> batch, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<TDbContext>();
        await InboxRows.MarkDeliveredAsync(context, [.. batch.Select(mark => mark.Entry.Id)],
            [.. batch.Where(mark => mark.HadMessages).Select(mark => mark.Entry.MessageId)], clock, cancellationToken);
        batch.ForEach(Forget);
    }

    // Only this one: after a rollback another attempt may already have taken its place.
    private void Forget(InboxSending sending) => _underWay.TryRemove(KeyValuePair.Create(sending.Entry.Key, sending));

    [LoggerMessage(9011, LogLevel.Warning, "The inbox of {DbContext} could not write down what has left; that is tried again, and if this process "
        + "ends before, it is sent once more")]
    private partial void LogNotWritten(Exception exception, string dbContext);
}

/// <summary>What one consumer sends after its commit.</summary>
internal sealed class InboxSending(InboxEntry entry)
{
    private readonly TaskCompletionSource<bool> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public InboxEntry Entry { get; } = entry;

    public bool HadMessages { get; set; }

    /// <summary>Whether everything has left.</summary>
    public Task<bool> Result => _result.Task;

    public void End(bool sent) => _result.TrySetResult(sent);
}
