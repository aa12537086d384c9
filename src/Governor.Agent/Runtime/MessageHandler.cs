using Microsoft.Extensions.Logging;

namespace Governor.Agent.Runtime;

/// <summary>Handles what was delivered, a batch at a time: the consumer path's one function, and the tests'.</summary>
internal sealed partial class MessageHandler(string runtimeId, IRuntimeApplier applier, RuntimeVoice voice, ILogger logger)
{
    /// <summary>Applies the newest desired state of a batch, unless a newer one was handled in this runtime, and reports
    /// once. Repeated and late messages change nothing.</summary>
    /// <param name="batch">What was delivered, at least one message, in any order.</param>
    /// <param name="cancellationToken">Ends the work between two steps.</param>
    /// <exception cref="UnpublishedException">The report could not be published: the batch must be delivered again.</exception>
    internal async Task HandleAsync(IReadOnlyList<AgentMessage> batch, CancellationToken cancellationToken)
    {
        voice.Epoch = Math.Max(voice.Epoch, batch.Max(message => message.Epoch));
        if (batch.Any(message => message.Enrol))
            await voice.EnrolAsync(cancellationToken);

        if (batch.MaxBy(message => message.Generation) is { Desired: not null } newest)
            await ApplyAsync(newest, cancellationToken);

        await voice.ReportAsync(cancellationToken);
    }

    private async Task ApplyAsync(AgentMessage newest, CancellationToken cancellationToken)
    {
        // Another Agent of this runtime may have gone further.
        var handled = Math.Max(voice.Generation, applier.HandledGeneration);
        if (newest.Generation < handled)
        {
            LogIgnored(runtimeId, newest.Generation, handled);
            return;
        }

        if (newest.Desired!.Secrets is not null)
        {
            // Nothing of it is applied: a component must never arrive without its secret. The report says so.
            LogUnopened(runtimeId, newest.Generation);
            voice.Unopened = newest.Generation;
            return;
        }

        await applier.ApplyAsync(newest.Generation, newest.Desired, cancellationToken);
        voice.Generation = newest.Generation;
        voice.Unopened = null;
        LogApplied(runtimeId, newest.Generation, newest.Desired.Configurations.Count);
    }

    [LoggerMessage(2011, LogLevel.Information, "{RuntimeId} handled generation {Generation} with {Configurations} configuration(s)")]
    private partial void LogApplied(string runtimeId, long generation, int configurations);

    [LoggerMessage(2012, LogLevel.Debug, "{RuntimeId} ignores generation {Generation}, it has handled {Handled}")]
    private partial void LogIgnored(string runtimeId, long generation, long handled);

    [LoggerMessage(2013, LogLevel.Warning, "{RuntimeId} cannot open the secrets of generation {Generation}: this version of the Agent opens none")]
    private partial void LogUnopened(string runtimeId, long generation);
}
