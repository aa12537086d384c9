using System.Text.Json.Serialization;
using MassTransit;

namespace Governor.Contracts;

/// <summary>What an Agent observes in its runtime: the truth about the runtime, not an answer to one message.</summary>
/// <remarks>Sent after every message handled, at every report interval, when another hand changes what the Agent wrote,
/// and when the Director asks. Repeats and late arrivals change nothing: <see cref="Epoch"/> and <see cref="Number"/> order
/// the reports of a runtime.</remarks>
/// <param name="RuntimeId">The runtime observed.</param>
/// <param name="Epoch">Highest epoch that the Agent was given by <see cref="ReportRequested"/>; 0 before the first.</param>
/// <param name="Number">Number of this report since the Agent started, 1 and up.</param>
/// <param name="Generation">Generation of the message that was last handled in this runtime, whoever handled it.</param>
/// <param name="ReportInterval">The longest time to the next report, by the Agent's own configuration, jitter included.</param>
/// <param name="ObservedAt">When the Agent looked, UTC.</param>
/// <param name="Configurations">What the runtime shows of each configuration, and the last outcome.</param>
/// <param name="Credentials">The credential versions that the runtime holds.</param>
/// <param name="Kid">Id of the key that the Agent opens secrets with.</param>
/// <param name="UnopenedGeneration">Generation of a message whose secrets the Agent could not open, if the newest one is such.</param>
[EntityName("governor.runtime-reported")]
[MessageUrn("governor:runtime-reported")]
public sealed record RuntimeReported(
    string RuntimeId,
    long Epoch,
    long Number,
    long Generation,
    TimeSpan ReportInterval,
    DateTimeOffset ObservedAt,
    IReadOnlyList<ReportedConfiguration> Configurations,
    IReadOnlyList<ReportedCredential> Credentials,
    string? Kid = null,
    long? UnopenedGeneration = null);

/// <summary>One configuration as a runtime shows it.</summary>
/// <param name="Name">Name of the configuration.</param>
/// <param name="Digest">Digest that the runtime shows: that of the content last applied if all of it is there unchanged,
/// another value if something of it was changed or removed, absent if nothing of it is there.</param>
/// <param name="Outcome">How the newest message ended for this configuration.</param>
/// <param name="OutcomeDigest">Digest of the content that <paramref name="Outcome"/> speaks of; absent when it is a removal.</param>
/// <param name="Reason">Stable code of a failure or a refusal, for example <c>foreign</c> or <c>denied-component-type</c>.</param>
/// <param name="Message">The same in a sentence for people, without secrets.</param>
public sealed record ReportedConfiguration(
    string Name,
    string? Digest,
    ApplyOutcome? Outcome = null,
    string? OutcomeDigest = null,
    string? Reason = null,
    string? Message = null);

/// <summary>A credential version that a runtime holds, or may hold.</summary>
/// <remarks>A credential is listed once for each version: while a runtime moves from one to the other both may be there.</remarks>
/// <param name="Name">Name of the credential.</param>
/// <param name="VersionId">Random id of the version; <c>tampered</c>, beside it or in place of one that nobody knows, if what is there is not what was written.</param>
public sealed record ReportedCredential(string Name, string VersionId);

/// <summary>How applying one configuration ended.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ApplyOutcome>))]
public enum ApplyOutcome
{
    /// <summary>The runtime holds the content.</summary>
    [JsonStringEnumMemberName("applied")]
    Applied = 0,

    /// <summary>It could not be applied now; the same content may succeed later.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed = 1,

    /// <summary>The content is wrong for this runtime; the same content will be refused again.</summary>
    [JsonStringEnumMemberName("rejected")]
    Rejected = 2,
}
