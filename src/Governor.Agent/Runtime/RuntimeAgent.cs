using System.Threading.Channels;
using Governor.Messaging.Sealing;
using Microsoft.Extensions.Logging;

namespace Governor.Agent.Runtime;

/// <summary>The Agent of one runtime: one loop that takes what the bus, the clock and the runtime have for it, in turn.</summary>
/// <remarks>Everything of an Agent hangs on this object, so that one process can run many.</remarks>
internal sealed partial class RuntimeAgent : IAsyncDisposable
{
    /// <summary>The first take after a connection lasts until this long brought nothing: of the revisions that waited,
    /// only the newest is applied.</summary>
    internal static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(100);

    /// <summary>But the first take lasts no longer than this.</summary>
    internal static readonly TimeSpan LongestTake = TimeSpan.FromSeconds(2);

    private readonly Channel<Input> _inputs = Channel.CreateUnbounded<Input>();
    private readonly AgentOptions _options;
    private readonly IRuntimeApplier _applier;
    private readonly RuntimeVoice _voice;
    private readonly TimeProvider _clock;
    private readonly Func<double> _random;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;

    private bool _active; // something was delivered since the last connection: this one is no standby
    private bool _sayAgain; // something could not be said: the next tick comes sooner
    private int _unsaid; // how often in a row
    private bool _settle = true; // the next take is the first since the last connection

    internal RuntimeAgent(AgentOptions options, SealingKeyPair key, IRuntimeApplier applier, IAgentOutbound outbound,
        TimeProvider clock, Func<double> random, ILogger<RuntimeAgent> logger)
    {
        _options = options;
        _applier = applier;
        _clock = clock;
        _random = random;
        _logger = logger;
        _voice = new RuntimeVoice(options, key.PublicKey, applier, outbound, clock);
        Handler = new MessageHandler(options.RuntimeId, key, applier, _voice, logger);
    }

    /// <summary>The runtime served.</summary>
    internal string RuntimeId => _options.RuntimeId;

    /// <summary>What the loop hands each batch of messages to.</summary>
    internal MessageHandler Handler { get; }

    /// <summary>Starts the loop. Nothing is said before the endpoint is connected or an interval is over.</summary>
    /// <param name="broker">The broker's address for the log, without user and password.</param>
    internal void Start(string broker)
    {
        LogStarted(RuntimeId, _options.Kind, Path.GetFullPath(_options.ResourcesPath), broker);
        _loop = Task.Run(() => RunAsync(_stop.Token));
    }

    /// <summary>Hands a message to the loop.</summary>
    /// <returns>Ends when the message was applied and reported. Cancelled when that cannot be, so that the message goes
    /// back to its queue; an exception means that it can never be handled.</returns>
    internal Task DeliverAsync(AgentMessage message, CancellationToken cancellationToken)
    {
        var delivery = new Delivery(message);
        return _inputs.Writer.TryWrite(delivery)
            ? delivery.Completion.Task.WaitAsync(cancellationToken)
            : Task.FromCanceled(new CancellationToken(canceled: true));
    }

    /// <summary>Tells that the endpoint is connected, for the first time or again.</summary>
    internal void Connected() => _inputs.Writer.TryWrite(new Connection());

    /// <summary>Ends the loop after what it is doing; what still waits goes back to the queue.</summary>
    public async ValueTask DisposeAsync()
    {
        _inputs.Writer.TryComplete();
        if (!_stop.IsCancellationRequested)
            await _stop.CancelAsync();
        await _loop;
        var left = new List<Input>();
        Drain(left);
        GiveBack(left);
        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var watch = _applier.Watch(() => _inputs.Writer.TryWrite(new Change()));
        var taken = new List<Input>();
        await using var timer = _clock.CreateTimer(_ => _inputs.Writer.TryWrite(new Tick()), state: null, NextInterval(), Timeout.InfiniteTimeSpan);
        try
        {
            while (await _inputs.Reader.WaitToReadAsync(cancellationToken))
            {
                taken.Clear();
                await TakeAsync(taken, cancellationToken);
                if (taken.Exists(input => input is Tick))
                    timer.Change(NextInterval(), Timeout.InfiniteTimeSpan);
                await HandleAsync(taken, cancellationToken);
                if (_sayAgain)
                    timer.Change(Sooner(), Timeout.InfiniteTimeSpan);
                _sayAgain = false;
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // stopped
        }
        finally
        {
            GiveBack(taken);
        }
    }

    private static void GiveBack(IEnumerable<Input> inputs)
    {
        foreach (var delivery in inputs.OfType<Delivery>())
            delivery.Completion.TrySetCanceled(CancellationToken.None);
    }

    private async Task TakeAsync(List<Input> taken, CancellationToken cancellationToken)
    {
        Drain(taken);
        _settle |= taken.Exists(input => input is Connection);
        if (!_settle || !taken.Exists(input => input is Delivery))
            return;

        _settle = false;
        for (var since = _clock.GetTimestamp(); _clock.GetElapsedTime(since) < LongestTake && await MoreAsync(cancellationToken);)
            Drain(taken);
    }

    private void Drain(List<Input> taken)
    {
        while (_inputs.Reader.TryRead(out var input))
            taken.Add(input);
    }

    /// <summary>Whether something came before it was quiet.</summary>
    private async Task<bool> MoreAsync(CancellationToken cancellationToken)
    {
        using var quiet = new CancellationTokenSource(Quiet, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(quiet.Token, cancellationToken);
        try
        {
            return await _inputs.Reader.WaitToReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (quiet.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task HandleAsync(List<Input> taken, CancellationToken cancellationToken)
    {
        var deliveries = taken.OfType<Delivery>().ToList();
        if (taken.Exists(input => input is Connection))
        {
            _active = false;
            _voice.Reconnected();
            await TryAsync(_voice.EnrolAsync, cancellationToken);
        }

        if (deliveries.Count > 0)
        {
            _active = true;
            await HandleAsync(deliveries, cancellationToken);
        }
        else if (taken.Exists(input => input is Tick))
        {
            await TryAsync(_active ? _voice.ReportAsync : _voice.EnrolAsync, cancellationToken);
        }
        else if (_active && taken.Exists(input => input is Change))
        {
            await TryAsync(_voice.ReportChangeAsync, cancellationToken);
        }
    }

    private async Task HandleAsync(List<Delivery> deliveries, CancellationToken cancellationToken)
    {
        try
        {
            await Handler.HandleAsync([.. deliveries.Select(delivery => delivery.Message)], cancellationToken);
            deliveries.ForEach(delivery => delivery.Completion.TrySetResult());
        }
        catch (OperationCanceledException)
        {
            GiveBack(deliveries);
            cancellationToken.ThrowIfCancellationRequested();
        }
        catch (UnpublishedException e)
        {
            // The messages go back to their queue and come again: equal generations are compared and reported again.
            LogUnpublished(RuntimeId, e.Message);
            GiveBack(deliveries);
        }
        catch (Exception e)
        {
            // A fault belongs among the dead letters, where the consumer's exception takes it; the Agent goes on.
            deliveries.ForEach(delivery => delivery.Completion.TrySetException(e));
        }
    }

    /// <summary>What nobody waits for: what it could not say, the next tick says.</summary>
    private async Task TryAsync(Func<CancellationToken, Task> say, CancellationToken cancellationToken)
    {
        try
        {
            await say(cancellationToken);
            _unsaid = 0;
            return;
        }
        catch (UnpublishedException e)
        {
            LogUnpublished(RuntimeId, e.Message);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Nothing here may end the loop: a silent Agent is worse than a missing report.
            LogNotSaid(e, RuntimeId);
        }

        _unsaid++;
        _sayAgain = true;
    }

    /// <summary>An Agent that started before the first Director ever did is heard soon after it, not an interval later.</summary>
    private TimeSpan Sooner()
    {
        var wait = TimeSpan.FromSeconds(1 << Math.Min(_unsaid, 6));
        var interval = NextInterval();
        return wait < interval ? wait : interval;
    }

    private TimeSpan NextInterval() => _options.ReportInterval * (0.9 + (0.2 * _random()));

    private abstract record Input;

    private sealed record Delivery(AgentMessage Message) : Input
    {
        // The consumer must not go on inside the loop.
        internal TaskCompletionSource Completion { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed record Connection : Input;

    private sealed record Tick : Input;

    private sealed record Change : Input;

    [LoggerMessage(2001, LogLevel.Information, "Agent of {RuntimeId} ({Kind}) started; it applies to {Folder} and listens at {Broker}")]
    private partial void LogStarted(string runtimeId, string kind, string folder, string broker);

    [LoggerMessage(2002, LogLevel.Warning, "The Agent of {RuntimeId} could not publish, and tries again: {Reason}")]
    private partial void LogUnpublished(string runtimeId, string reason);

    [LoggerMessage(2003, LogLevel.Error, "The Agent of {RuntimeId} could not observe its runtime; it tries again at the next interval")]
    private partial void LogNotSaid(Exception exception, string runtimeId);
}
