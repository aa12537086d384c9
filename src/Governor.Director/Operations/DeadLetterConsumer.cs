using Governor.Contracts;
using MassTransit;

namespace Governor.Director.Operations;

/// <summary>Says once of each message that Director or Agents gave up on what it was and why, without its body.</summary>
internal sealed partial class DeadLetterConsumer(ILogger<DeadLetterConsumer> logger) : IConsumer<DeadLettered>
{
    /// <summary>Name of the queue.</summary>
    public const string Queue = "governor-dead-letters";

    public Task Consume(ConsumeContext<DeadLettered> context)
    {
        var letter = context.Message;
        LogDeadLetter(letter.DeadLetterId, letter.MessageId, letter.Source, letter.Reason, letter.ExceptionType);
        return Task.CompletedTask;
    }

    [LoggerMessage(2501, LogLevel.Error,
        "Dead letter {DeadLetterId}: message {MessageId} from {Source} was given up: {Reason} ({ExceptionType})")]
    private partial void LogDeadLetter(string deadLetterId, string? messageId, string source, string reason, string? exceptionType);
}
