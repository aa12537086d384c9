using Governor.Contracts;
using Governor.Director.Persistence;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.DeadLetters;

/// <summary>Stores what Director and Agents gave up on, and says so once, without the body.</summary>
internal sealed partial class DeadLetterConsumer(DirectorDbContext db, ILogger<DeadLetterConsumer> logger) : IConsumer<DeadLettered>
{
    /// <summary>Name of the queue.</summary>
    public const string Queue = "governor-dead-letters";

    public async Task Consume(ConsumeContext<DeadLettered> context)
    {
        var letter = DeadLetterReader.Read(context.Message);
        if (await StoreAsync(letter, context.CancellationToken))
            LogDeadLetter(letter.DeadLetterId, letter.MessageId, letter.Source, letter.Reason, letter.ExceptionType);
    }

    /// <summary>Stores it, or brings the row of the same id up to date.</summary>
    /// <returns>False if it was stored before: the message came twice.</returns>
    private async Task<bool> StoreAsync(DeadLetter letter, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var stored = await db.Database.ExecuteSqlRawAsync(
            """
            INSERT INTO dead_letters AS d (dead_letter_id, source, reason, exception_type, message_id, content_type, headers, body,
                                           dead_lettered_at)
            VALUES (@id, @source, @reason, @exception, @message, @content, @headers, @body, @at)
            ON CONFLICT (dead_letter_id) DO UPDATE SET
                reason = excluded.reason, exception_type = excluded.exception_type, message_id = excluded.message_id,
                content_type = excluded.content_type, headers = excluded.headers, body = excluded.body,
                dead_lettered_at = excluded.dead_lettered_at
            WHERE d.dead_lettered_at <> excluded.dead_lettered_at
            """,
            [
                db.Parameter("id", letter.DeadLetterId), db.Parameter("source", letter.Source), db.Parameter("reason", letter.Reason),
                db.Parameter("exception", letter.ExceptionType), db.Parameter("message", letter.MessageId),
                db.Parameter("content", letter.ContentType), db.Parameter("headers", letter.Headers),
                db.Parameter("body", letter.Body), db.Parameter("at", letter.DeadLetteredAt),
            ],
            cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return stored > 0;
    }

    [LoggerMessage(2701, LogLevel.Error,
        "Dead letter {DeadLetterId}: message {MessageId} from {Source} was given up: {Reason} ({ExceptionType}); see GET /admin/dead-letters")]
    private partial void LogDeadLetter(string deadLetterId, string? messageId, string source, string reason, string? exceptionType);
}
