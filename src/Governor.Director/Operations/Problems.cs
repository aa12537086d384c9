using System.Text.Json;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.WebUtilities;

namespace Governor.Director.Operations;

/// <summary>Answers that are problem details (RFC 9457) with a stable <c>code</c>.</summary>
internal static class Problems
{
    public static ProblemHttpResult ToProblem(this Refusal refusal) => TypedResults.Problem(
        detail: refusal.Detail,
        statusCode: refusal.Status,
        extensions: refusal.Errors is { } errors
            ? new Dictionary<string, object?> { ["code"] = refusal.Code, ["errors"] = errors }
            : new Dictionary<string, object?> { ["code"] = refusal.Code });

    public static ProblemHttpResult NotFound(string code, string detail) =>
        new Refusal(StatusCodes.Status404NotFound, code, detail).ToProblem();

    public static ProblemHttpResult Invalid(string code, string detail) =>
        new Refusal(StatusCodes.Status400BadRequest, code, detail).ToProblem();

    /// <summary>What the framework refuses by itself, without a word, gets a code too, for example <c>method-not-allowed</c>.
    /// Whatever the client accepts, it gets a problem: there is no other form to offer.</summary>
    public static Task AnswerAsync(StatusCodeContext context)
    {
        var status = context.HttpContext.Response.StatusCode;
        return TypedResults.Problem(
            statusCode: status,
            extensions: new Dictionary<string, object?>
            {
                ["code"] = JsonNamingPolicy.KebabCaseLower.ConvertName(ReasonPhrases.GetReasonPhrase(status)),
            }).ExecuteAsync(context.HttpContext);
    }

    /// <summary>What the design offers and this version does not: refused, never ignored.</summary>
    public static Refusal NotImplementedYet(string what) =>
        new(StatusCodes.Status422UnprocessableEntity, "not-implemented", $"{what} is not implemented yet.");

    /// <summary>As <see cref="NotImplementedYet"/>, as an answer.</summary>
    public static ProblemHttpResult NotImplemented(string what) => NotImplementedYet(what).ToProblem();
}
