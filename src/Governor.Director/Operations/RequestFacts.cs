using System.Globalization;
using Governor.Director.Configurations;
using Governor.Director.Persistence;

namespace Governor.Director.Operations;

/// <summary>What every request says beside its body.</summary>
internal static class RequestFacts
{
    public const string DefaultTenant = "default";

    /// <summary>Most bytes of a body that is read at all.</summary>
    private const int MaxBody = 1024 * 1024;

    /// <summary>The tenant: <c>default</c> unless the header <c>Tenant</c> says otherwise.</summary>
    public static Outcome<string> Tenant(this HttpContext http)
    {
        var tenant = http.Request.Headers["Tenant"].FirstOrDefault() ?? DefaultTenant;
        return DnsLabel.IsValid(tenant)
            ? tenant
            : new Refusal(StatusCodes.Status400BadRequest, "invalid-name", $"The header `Tenant` must be {DnsLabel.Rule}.");
    }

    /// <summary>Who asks. There is no log-in yet: the header <c>Requested-By</c> is taken at its word.</summary>
    public static string RequestedBy(this HttpContext http)
    {
        var name = http.Request.Headers["Requested-By"].FirstOrDefault();
        return string.IsNullOrWhiteSpace(name) ? "anonymous" : StoredText.Of(name, 256);
    }

    /// <summary>What <c>If-Match: "n"</c>, <c>If-Match: *</c> or <c>If-None-Match: *</c> expect.</summary>
    public static Outcome<Expectation> ExpectedVersion(this HttpContext http)
    {
        if (http.Request.Headers.IfNoneMatch.ToString() == "*")
            return new Expectation(0);

        var match = http.Request.Headers.IfMatch.ToString();
        if (match.Length == 0)
            return new Expectation(null);
        if (match == "*")
            return new Expectation(Expectation.AnyVersion);

        var text = match.AsSpan().Trim('"');
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? new Expectation(version)
            : new Refusal(StatusCodes.Status400BadRequest, "invalid-if-match",
                "`If-Match` must be the `ETag` of a former answer, for example \"3\".");
    }

    /// <summary>Reads the body, up to 1 MiB.</summary>
    /// <returns>The bytes, or a refusal with <paramref name="tooLarge"/> as its code.</returns>
    public static async Task<Outcome<byte[]>> ReadBodyAsync(
        this HttpContext http, string tooLarge, CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream();
        var chunk = new byte[16 * 1024];
        int read;
        while ((read = await http.Request.Body.ReadAsync(chunk, cancellationToken)) > 0)
        {
            buffer.Write(chunk, 0, read);
            if (buffer.Length > MaxBody)
            {
                return new Refusal(StatusCodes.Status413PayloadTooLarge, tooLarge,
                    $"The body is over {MaxBody} bytes. Make it smaller, or split the configuration.");
            }
        }

        return buffer.ToArray();
    }
}

/// <summary>What version a client expects: null if it does not care, 0 for none.</summary>
internal sealed record Expectation(int? Version)
{
    /// <summary>Whatever version, but there must be one.</summary>
    public const int AnyVersion = -1;

    /// <summary>Whether a version is as expected; 0 stands for none.</summary>
    public static bool Holds(int expected, int actual) => expected == AnyVersion ? actual != 0 : expected == actual;
}
