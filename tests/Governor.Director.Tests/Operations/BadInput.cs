using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Governor.Director.Tests.Configurations;

namespace Governor.Director.Tests.Operations;

/// <summary>How the end of a body is marked.</summary>
public enum Framing
{
    Length = 0,
    Chunks = 1,

    /// <summary>More is promised than comes.</summary>
    TooLong = 2,

    /// <summary>Less is promised than comes.</summary>
    TooShort = 3,
    Nonsense = 4,
}

/// <summary>A request that may be wrong in every part.</summary>
/// <param name="Endpoint">Number of the endpoint, from whichever there are.</param>
/// <param name="Method">Null for the one that the endpoint takes.</param>
/// <param name="Values">What stands in the path for the endpoint's parameters, over and over.</param>
/// <param name="Query">From the question mark on, or empty.</param>
/// <param name="Headers">Whole lines.</param>
/// <param name="Body">Null for none.</param>
/// <param name="Framing">How its end is marked.</param>
public sealed record BadInput(
    int Endpoint, string? Method, string[] Values, string Query, string[] Headers, byte[]? Body, Framing Framing)
{
    /// <summary>The bytes of it.</summary>
    /// <param name="method">The endpoint's method.</param>
    /// <param name="path">The endpoint's path, its parameters filled in.</param>
    public byte[] Bytes(string method, string path)
    {
        var body = Body ?? [];
        var framing = Body is null && Framing is Framing.Length ? "" : Framing switch
        {
            Framing.Chunks => "Transfer-Encoding: chunked\r\n",
            Framing.TooLong => $"Content-Length: {body.Length + 10}\r\n",
            Framing.TooShort => $"Content-Length: {body.Length / 2}\r\n",
            Framing.Nonsense => "Content-Length: many\r\n",
            _ => string.Create(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}\r\n"),
        };
        var head = $"{Method ?? method} {path}{Query} HTTP/1.1\r\nHost: director\r\nConnection: close\r\n{framing}"
            + string.Concat(Headers.Select(line => $"{line}\r\n")) + "\r\n";
        return Framing == Framing.Chunks
            ? [.. Encoding.UTF8.GetBytes(head), .. Encoding.ASCII.GetBytes($"{body.Length:x}\r\n"), .. body, .. body.Length > 0 ? "\r\n0\r\n\r\n"u8 : "\r\n"u8]
            : [.. Encoding.UTF8.GetBytes(head), .. body];
    }

    public override string ToString() =>
        $"endpoint {Endpoint}, {Method ?? "its method"}, [{string.Join(' ', Values)}] {Query} [{string.Join(" | ", Headers)}] {Framing}, "
        + (Body is null ? "no body" : $"{Body.Length} bytes: {Encoding.UTF8.GetString(Body.AsSpan(0, Math.Min(Body.Length, 400)))}");
}

/// <summary>Makes <see cref="BadInput"/>: by far the most of it is nearly right, for only that comes far.</summary>
public static class BadInputs
{
    private const string Change =
        """
        {"components": [{"name": "store", "type": "state.redis", "version": "v1", "scopes": ["x"],
          "metadata": [{"name": "v", "value": {"k": [1, "s", null]}}, {"name": "w", "value": "x"}]}],
         "target": {"kinds": ["standalone-kyma"], "matchLabels": {"region": "eu"}, "runtimeIds": ["eu-1"],
          "matchExpressions": [{"key": "region", "operator": "In", "values": ["eu"]}]},
         "priority": 1, "allowPlaintext": false, "allowEmpty": true,
         "policy": {"strategy": "allAtOnce", "maxConcurrency": 1, "maxFailures": 1, "progressDeadline": "00:00:01"}}
        """;

    private const string Registration = """{"kind": "standalone-kyma", "labels": {"region": "eu", "tier": "one"}}""";

    private static readonly string[] Bodies =
    [
        Change, Registration, """{"runtimes": [{"runtimeId": "eu-1", "kind": "standalone-kyma", "labels": {"region": "eu"}}]}""",
        """{"policy": {"maxFailures": 1}}""", "{}", "[]", "null", "",
    ];

    private static readonly string[] Json =
    [
        "null", "true", "-1", "1e999", "-0.0", "2147483648", "9223372036854775808", "1.5", new string('9', 400), "\"\"", "\" \"", "\"\\u0000\"",
        "\"\\ud800\"", "\"\\ud83d\\ude00\"", "\"{{runtime.id}}\"", "\"{{\"", "[]", "[[]]", "{}", "{\"\": 1}", "{\"a\": 1, \"a\": 2}", "{\"__proto__\": {}}",
        "\"10675199.02:48:05.4775808\"", "\"-00:00:01\"", "\"99999:00:00\"", "NaN", "'x'", "[1,]", "/**/1", "\ufeff1",
    ];

    /// <summary>Strings that something may stumble over, as they stand in a path.</summary>
    private static readonly string[] Segments =
    [
        "eu-1", "cache", "default", "ROLLOUT", "0", "1", "-1", "2147483648", "99999999999999999999", "1e3", "a", "A", "-", ".", "..", "%2e%2e", "%2F", "%2f%2fa",
        "%00", "a%00b", "%01", "%0a", "%0d%0aX:y", "%7f", "%ff", "%c3%28", "%ed%a0%80", "%f0%9f%98%80", "%", "%zz", "%u0000", "+", "%20", "é", "a;b", "a:b", "*",
        "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "{00000000-0000-0000-0000-000000000001}", "01234567-89ab-7def-8123-456789abcdef",
        "'", "%27%20OR%201=1--", "%22", "<x>", "{0}", "%7B0%7D", "null", new string('a', 63), new string('a', 64), new string('a', 5000), new string('%', 50), "revisions",
    ];

    private static readonly string[] QueryNames =
        ["limit", "cursor", "label", "kind", "state", "configuration", "tenant", "source", "force", "dryRun", "unknown", "", "LIMIT"];

    private static readonly string[] Cursors =
        ["AA", "YQBi", "ZXUtMQ", "Ly8", "YS9iL2M", "AC8vAA", "MS9h", "OTk5OTk5OTk5OTk5OTk5OTk5OTkvYQ", "MC8A", "7aCA", "_w", "=", "****", "LTE", "MQ", new('A', 4000)];

    private static readonly string[] QueryValues =
    [
        "", "1", "1000", "true", "a%3db", "region=eu", "=", "a=", "%00=%00", "a%00=b", "standalone-kyma", "ready", "Applied", "7", "-2147483648", "0x10", "%20 1".Replace(" ", "", StringComparison.Ordinal),
    ];

    private static readonly string[] HeaderNames =
    [
        "Tenant", "If-Match", "If-None-Match", "Idempotency-Key", "Requested-By", "Content-Type", "Content-Encoding", "Accept", "Expect", "Traceparent",
        "X-HTTP-Method-Override", "Range", "Upgrade", "Accept-Encoding", "Origin", "Authorization", "Cookie", "Bad Name", "",
    ];

    private static readonly string[] HeaderValues =
    [
        "", "*", "\"1\"", "\"0\"", "\"-1\"", "\"99999999999\"", "W/\"1\"", "\"1\", \"2\"", "\"\"\"", "default", "other", "Not A Tenant", "é", "😀", "a\u0001b", "a\tb", "\u007f", "k-1", "k-2",
        "application/json", "text/plain", "application/json; charset=utf-7", "application/x-www-form-urlencoded", "multipart/form-data", "100-continue", "gzip", "bytes=0-1",
        "00-00000000000000000000000000000000-0000000000000000-00", "websocket", new string('x', 257), new string('y', 6000), "../../etc", "'; --",
    ];

    public static Arbitrary<BadInput> BadInput() => (
        from endpoint in Gen.Choose(0, int.MaxValue - 1)
        from method in OneIn(12, Gen.Elements("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUERY", "get", "X"))
        from values in Gen.ArrayOf(Segment(), 3)
        from query in OneIn(2, Gen.NonEmptyListOf(Parameter()).Select(all => $"?{string.Join('&', all.Take(4))}"))
        from headers in OneIn(2, Gen.ListOf(Header()).Select(all => all.Take(4).ToArray()))
        from body in OneIn(1.3, Body())
        from framing in Gen.Frequency((12, Gen.Constant(Framing.Length)), (2, Gen.Constant(Framing.Chunks)),
            (1, Gen.Elements(Framing.TooLong, Framing.TooShort, Framing.Nonsense)))
        select new BadInput(endpoint, method, values, query ?? "", headers ?? [], body, framing)).ToArbitrary();

    private static Gen<T?> OneIn<T>(double count, Gen<T> gen)
        where T : class =>
        Gen.Frequency((10, gen.Select(value => (T?)value)), ((int)((count - 1) * 10), Gen.Constant<T?>(null)));

    /// <summary>Text of any characters, escaped for a URL now and then.</summary>
    private static Gen<string> Text() =>
        from text in ArbMap.Default.GeneratorFor<NonNull<string>>()
        from escaped in Gen.Frequency((4, Gen.Constant(true)), (1, Gen.Constant(false)))
        select escaped ? Uri.EscapeDataString(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.Get)))
            : new string([.. text.Get.Where(c => c is not ('\r' or '\n'))]);

    private static Gen<string> Segment() => Gen.Frequency((3, Gen.Elements("eu-1", "cache", "ROLLOUT", "1")), (4, Gen.Elements(Segments)), (2, Text()));

    private static Gen<string> Parameter() =>
        from name in Gen.Elements(QueryNames)
        from value in name == "cursor" ? Gen.Elements(Cursors) : Gen.OneOf(Gen.Elements(QueryValues), Gen.Elements(Segments), Text())
        select $"{name}={value}";

    private static Gen<string> Header() =>
        from name in Gen.Elements(HeaderNames)
        from value in Gen.Frequency((4, Gen.Elements(HeaderValues)), (1, Text()))
        select $"{name}: {value}";

    private static Gen<byte[]> Body() => Gen.Frequency(
        (4, Gen.Elements(Bodies).Select(Encoding.UTF8.GetBytes)),
        (12, Replaced()),
        (4, Damaged()),
        (2, ArbMap.Default.GeneratorFor<byte[]>()),
        (1, Gen.Choose(1, 20_000).Select(depth => Encoding.UTF8.GetBytes(new string('[', depth)))),
        (1, Gen.Choose(1, 2_000).Select(depth => Encoding.UTF8.GetBytes($"{{\"components\": {Nested(depth)}, \"target\": {{}}}}"))),
        (1, Gen.Choose(200, 1_500).Select(size => Encoding.UTF8.GetBytes(Change.Replace("\"x\"}", $"\"{new string('x', size * 1024)}\"}}", StringComparison.Ordinal)))));

    private static string Nested(int depth) => $"{string.Concat(Enumerable.Repeat("{\"a\":", depth))}1{new string('}', depth)}";

    /// <summary>A good body with another value somewhere in it.</summary>
    private static Gen<byte[]> Replaced() =>
        from body in Gen.Elements(Bodies[..4])
        let places = Enumerable.Range(0, body.Length).Where(i => body[i] is ':' or '[').ToArray()
        from place in Gen.Elements(places)
        from value in Gen.OneOf(Gen.Elements(Json), JsonTrees.Tree().Generator.Select(tree => tree.Write(new Random(place))))
        let end = body.IndexOfAny([',', '}', ']'], place + 1)
        select Encoding.UTF8.GetBytes(body[..(place + 1)] + value + body[end..]);

    /// <summary>A good body with some bytes changed, cut off, or twice.</summary>
    private static Gen<byte[]> Damaged() =>
        from body in Gen.Elements(Bodies[..4]).Select(Encoding.UTF8.GetBytes)
        from at in Gen.Choose(0, body.Length - 1)
        from noise in ArbMap.Default.GeneratorFor<byte[]>()
        from cut in Gen.Elements(0, 1, 2)
        select cut switch
        {
            0 => body[..at],
            1 => [.. body[..at], .. noise, .. body[Math.Min(body.Length, at + noise.Length)..]],
            _ => (byte[])[.. body, .. body],
        };
}
