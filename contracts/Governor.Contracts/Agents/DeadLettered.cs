using MassTransit;

namespace Governor.Contracts;

/// <summary>A message that Director or Agent gave up on: it faulted for good, could not be read, or nobody consumed it.</summary>
/// <remarks>Published on a fanout exchange by filters in the error and dead-letter pipes, before the message is
/// acknowledged, so nothing is lost in between. May arrive twice with the same <see cref="DeadLetterId"/>.</remarks>
/// <param name="DeadLetterId">Id of this dead letter.</param>
/// <param name="Source">Name of the queue that the message was taken from.</param>
/// <param name="Reason">Why it was given up, in one sentence without secrets.</param>
/// <param name="ExceptionType">Full name of the exception's type, where there was one.</param>
/// <param name="MessageId">Id of the message, where it had one.</param>
/// <param name="ContentType">Its content type, where it had one.</param>
/// <param name="Headers">Its transport headers, as text.</param>
/// <param name="Body">Its body, base64; absent where the body must not be kept.</param>
/// <param name="DeadLetteredAt">When it was given up, UTC.</param>
[EntityName("governor-dead-letter")]
[MessageUrn("governor:dead-lettered")]
public sealed record DeadLettered(
    string DeadLetterId,
    string Source,
    string Reason,
    string? ExceptionType,
    string? MessageId,
    string? ContentType,
    IReadOnlyDictionary<string, string> Headers,
    string? Body,
    DateTimeOffset DeadLetteredAt);
