using System.Text.Json;
using Governor.Contracts;
using Governor.Messaging.Sealing;
using Microsoft.Extensions.Logging;

namespace Governor.Agent.Runtime;

/// <summary>Handles what was delivered, a batch at a time: the consumer path's one function, and the tests'.</summary>
internal sealed partial class MessageHandler(string runtimeId, SealingKeyPair key, IRuntimeApplier applier, RuntimeVoice voice, ILogger logger)
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

        if (Open(newest.Generation, newest.Desired!) is not { } secrets)
        {
            // Nothing of it is applied: a component must never arrive without its secret. The report says so.
            if (voice.Unopened != newest.Generation)
                LogUnopened(runtimeId, newest.Generation, SealedTo(newest.Desired!), key.PublicKey.Kid);
            voice.Unopened = newest.Generation;
            return;
        }

        await applier.ApplyAsync(newest.Generation, newest.Desired!, secrets, cancellationToken);
        voice.Generation = newest.Generation;
        voice.Unopened = null;
        LogApplied(runtimeId, newest.Generation, newest.Desired!.Configurations.Count);
    }

    /// <summary>The secrets of every credential version that a message lists, and no others; null unless all are there.</summary>
    private List<CredentialSecrets>? Open(long generation, DesiredState desired)
    {
        var opened = desired.Secrets is { } secrets ? RuntimeSecrets.Open(secrets, runtimeId, generation, key) : [];
        var listed = desired.Credentials
            .Select(wanted => opened?.FirstOrDefault(credential => credential.Name == wanted.Name && credential.VersionId == wanted.VersionId))
            .ToList();
        return opened is null || listed.Contains(null) ? null : [.. listed.OfType<CredentialSecrets>()];
    }

    /// <summary>Which key a message says that it is sealed to. Nobody vouches for that text, so it is logged only if it looks
    /// like the id of a key.</summary>
    private static string SealedTo(DesiredState desired) =>
        desired.Secrets is { } secrets && SealedBox.Header(secrets) is { } header
            && header.TryGetProperty("kid", out var kid) && kid.ValueKind is JsonValueKind.String
            && kid.GetString() is { Length: 43 } id && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') ? id : "none";

    [LoggerMessage(2011, LogLevel.Information, "{RuntimeId} handled generation {Generation} with {Configurations} configuration(s)")]
    private partial void LogApplied(string runtimeId, long generation, int configurations);

    [LoggerMessage(2012, LogLevel.Debug, "{RuntimeId} ignores generation {Generation}, it has handled {Handled}")]
    private partial void LogIgnored(string runtimeId, long generation, long handled);

    [LoggerMessage(2013, LogLevel.Warning, "{RuntimeId} cannot open the secrets of generation {Generation}, or they are not all that it lists: sealed to key {SealedTo}, own key {Kid}. Nothing of it is applied; the report says so")]
    private partial void LogUnopened(string runtimeId, long generation, string sealedTo, string kid);
}
