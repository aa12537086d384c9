using System.Globalization;
using System.Linq.Expressions;
using System.Text;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Messaging;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.DeadLetters;

/// <summary>A dead letter as it is shown.</summary>
/// <param name="Size">Bytes of its body; absent where that is not kept.</param>
/// <param name="Body">The body, where one dead letter is asked for.</param>
/// <param name="BodyEncoding"><c>utf-8</c>, or <c>base64</c> for a body that is no text.</param>
internal sealed record DeadLetterView(
    string DeadLetterId, string Source, string Reason, string? ExceptionType, string? MessageId, string? ContentType,
    IReadOnlyDictionary<string, string> Headers, DateTimeOffset DeadLetteredAt, int? Size,
    string? Body = null, string? BodyEncoding = null);

/// <summary>The endpoints under <c>/admin/dead-letters</c>.</summary>
internal static class DeadLetterEndpoints
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static void MapDeadLetters(this IEndpointRouteBuilder routes)
    {
        var letters = routes.MapGroup("/admin/dead-letters").WithTags("Dead letters");
        letters.MapGet("", ListAsync);
        letters.MapGet("/{id}", ReadAsync);
        letters.MapPost("/{id}/requeue", RequeueAsync);
        letters.MapDelete("/{id}", DeleteAsync);
    }

    private static async Task<IResult> ListAsync(
        string? limit, string? cursor, string? source, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var paging = Paging.Read(limit, cursor);
        if (paging.Refusal is { } refusal)
            return refusal.ToProblem();

        var (size, after) = paging.Value!.Paging;
        var letters = db.DeadLetters.AsNoTracking();
        if (source is not null)
        {
            var queue = StoredText.Of(source, int.MaxValue);
            letters = letters.Where(l => l.Source == queue);
        }

        if (after is not null)
        {
            if (Position.Read(after) is not { } last)
                return Problems.Invalid("invalid-cursor", "`cursor` must be the `nextCursor` of a former page, unchanged.");
            letters = letters.Where(l => l.DeadLetteredAt < last.At
                || (l.DeadLetteredAt == last.At && string.Compare(l.DeadLetterId, last.Id) < 0));
        }

        var rows = await letters
            .OrderByDescending(l => l.DeadLetteredAt).ThenByDescending(l => l.DeadLetterId).Take(size + 1)
            .Select(l => new
            {
                l.DeadLetterId, l.Source, l.Reason, l.ExceptionType, l.MessageId, l.ContentType, l.Headers, l.DeadLetteredAt,
                Size = l.Body == null ? (int?)null : l.Body.Length,
            })
            .ToListAsync(cancellationToken);
        return TypedResults.Ok(paging.Value.Paging.Of(rows, l => new Position(l.DeadLetteredAt, l.DeadLetterId).ToString(), l => new DeadLetterView(
            l.DeadLetterId, l.Source, l.Reason, l.ExceptionType, l.MessageId, l.ContentType, DeadLetterReader.HeadersOf(l.Headers),
            l.DeadLetteredAt, l.Size)));
    }

    private static async Task<IResult> ReadAsync(string id, DirectorDbContext db, CancellationToken cancellationToken)
    {
        if (await FindAsync(db, id, cancellationToken) is not { } letter)
            return NotFound(id);

        var (body, encoding) = letter.Body is null ? (null, null) : TextOf(letter.Body) is { } text
            ? (text, "utf-8") : (Convert.ToBase64String(letter.Body), "base64");
        return TypedResults.Ok(new DeadLetterView(
            letter.DeadLetterId, letter.Source, letter.Reason, letter.ExceptionType, letter.MessageId, letter.ContentType,
            DeadLetterReader.HeadersOf(letter.Headers), letter.DeadLetteredAt, letter.Body?.Length, body, encoding));
    }

    /// <summary>Puts it back and then forgets it. A Director that dies in between leaves it in both places, which is safe:
    /// every consumer may see a message twice.</summary>
    private static async Task<IResult> RequeueAsync(
        string id, DirectorDbContext db, IQueueReturn queues, CancellationToken cancellationToken)
    {
        if (await FindAsync(db, id, cancellationToken) is not { } letter)
            return NotFound(id);
        if (letter.Body is null)
        {
            return new Refusal(StatusCodes.Status409Conflict, "body-not-kept",
                "The body of this message was not kept, so it cannot be put back. Have its sender send it again, and DELETE this dead letter.").ToProblem();
        }

        bool sent;
        try
        {
            sent = await queues.TrySendAsync(
                letter.Source,
                new RawMessage(letter.Body, letter.ContentType, letter.MessageId, DeadLetterReader.HeadersOf(letter.Headers)),
                cancellationToken);
        }
        catch (BrokerUnavailableException)
        {
            return new Refusal(StatusCodes.Status503ServiceUnavailable, "broker-unavailable",
                "The broker did not confirm the message; the dead letter is kept. GET /health/ready says when the broker is back; then repeat the request.").ToProblem();
        }

        if (!sent)
        {
            return new Refusal(StatusCodes.Status409Conflict, "queue-gone",
                $"There is no queue '{letter.Source}' any more. If its runtime is registered, wait until the queue is made again; otherwise DELETE this dead letter.").ToProblem();
        }

        // It may have failed again already, and been stored anew: that one stays.
        await ForgetAsync(db, l => l.DeadLetterId == id && l.DeadLetteredAt == letter.DeadLetteredAt, cancellationToken);
        return TypedResults.Ok(new { letter.DeadLetterId, queue = letter.Source });
    }

    private static async Task<IResult> DeleteAsync(string id, DirectorDbContext db, CancellationToken cancellationToken) =>
        IsStorable(id) && await ForgetAsync(db, l => l.DeadLetterId == id, cancellationToken) > 0
            ? TypedResults.NoContent()
            : NotFound(id);

    private static async Task<int> ForgetAsync(
        DirectorDbContext db, Expression<Func<DeadLetter, bool>> which, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var deleted = await db.DeadLetters.Where(which).ExecuteDeleteAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return deleted;
    }

    private static async Task<DeadLetter?> FindAsync(DirectorDbContext db, string id, CancellationToken cancellationToken) =>
        IsStorable(id) ? await db.DeadLetters.AsNoTracking().SingleOrDefaultAsync(l => l.DeadLetterId == id, cancellationToken) : null;

    /// <summary>What the database cannot hold it is not asked for either.</summary>
    private static bool IsStorable(string id) => StoredText.Of(id, id.Length) == id;

    private static ProblemHttpResult NotFound(string id) => Problems.NotFound(
        "dead-letter-not-found", $"There is no dead letter '{id}'; it was requeued or deleted, or never was. GET /admin/dead-letters lists them.");

    private static string? TextOf(byte[] body)
    {
        try
        {
            return Strict.GetString(body);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>Where a page ends.</summary>
    private sealed record Position(DateTimeOffset At, string Id)
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{At.UtcTicks}/{Id}");

        public static Position? Read(string text)
        {
            var parts = text.Split('/', 2);
            return parts.Length == 2 && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
                && ticks <= DateTimeOffset.MaxValue.UtcTicks && IsStorable(parts[1])
                ? new Position(new DateTimeOffset(ticks, TimeSpan.Zero), parts[1]) : null;
        }
    }
}
