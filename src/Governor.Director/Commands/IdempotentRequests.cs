
namespace Governor.Director.Commands;

/// <summary>Writes over HTTP that may be repeated: the header <c>Idempotency-Key</c> names a request, and the same one again
/// is answered as before.</summary>
internal sealed class IdempotentRequests(CommandLog log)
{
    /// <summary>Name of the header.</summary>
    public const string Header = "Idempotency-Key";

    /// <summary>Does the work, once if the request has a key.</summary>
    /// <param name="http">The request.</param>
    /// <param name="tenant">The tenant that it is for.</param>
    /// <param name="body">Its body; empty where none is read.</param>
    /// <param name="work">Writes, in a transaction of its own unless one is open; what it returns is kept as JSON.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public Task<Outcome<T>> OnceAsync<T>(
        HttpContext http, string tenant, byte[] body, Func<CancellationToken, Task<Outcome<T>>> work, CancellationToken cancellationToken)
        where T : class
    {
        var keys = http.Request.Headers[Header];
        if (keys.Count == 0)
            return work(cancellationToken);

        if (keys.Count > 1 || !CommandIdentity.IsValid(keys[0]))
        {
            return Task.FromResult<Outcome<T>>(new Refusal(StatusCodes.Status400BadRequest, "invalid-idempotency-key",
                $"The header `{Header}` may be given once and {CommandIdentity.Rule}."));
        }

        var request = http.Request;
        var command = CommandIdentity.OfRequest(
            tenant, keys[0]!, body, request.Method, request.Path.ToString(), request.QueryString.ToString(),
            request.Headers.IfMatch.ToString(), request.Headers.IfNoneMatch.ToString());
        return log.OnceAsync(command, work, cancellationToken);
    }
}
