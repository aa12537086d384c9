using System.Data.Common;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Operations;

/// <summary>Answers what no endpoint expected: a request that cannot be read, a database that is away, a defect.</summary>
internal sealed class UnexpectedErrors : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        var (status, code, detail) = exception switch
        {
            BadHttpRequestException bad => (bad.StatusCode, "bad-request", bad.Message),
            _ when IsDatabaseAway(exception) => (StatusCodes.Status503ServiceUnavailable, "database-unavailable",
                "The database did not answer, or was busy. Look whether the change is there, and repeat the request if not; GET /health/ready says when the database is back."),
            _ => (StatusCodes.Status500InternalServerError, "internal-error",
                "Something went wrong in the Director. Its log says what; repeat the request, it changes nothing twice."),
        };
        await new Refusal(status, code, detail).ToProblem().ExecuteAsync(httpContext);
        return true;
    }

    /// <summary>A defect is logged with its stack trace. What a client does wrong is its own affair, and of a database that is
    /// away the readiness tells.</summary>
    public static bool IsQuiet(ExceptionHandlerSuppressDiagnosticsContext context) =>
        context.HttpContext.Response.StatusCode != StatusCodes.Status500InternalServerError;

    private static bool IsDatabaseAway(Exception exception) =>
        exception is DbException { IsTransient: true }
        || exception is InvalidOperationException { InnerException: DbException { IsTransient: true } }
        || exception is DbUpdateException { InnerException: DbException { IsTransient: true } };
}
