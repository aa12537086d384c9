using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using FsCheck.Xunit;
using Governor.Director.Tests.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Governor.Director.Tests.Operations;

/// <summary>Whatever is sent to whichever endpoint, the answer says what was wrong with it, and the log keeps quiet.</summary>
public sealed partial class FuzzTests(FuzzedDirector fuzzed) : IClassFixture<FuzzedDirector>
{
    [Property(MaxTest = 3000, Arbitrary = [typeof(BadInputs)])]
    public async Task Given_bad_input_When_any_endpoint_gets_it_Then_it_is_answered_with_a_problem_and_nothing_is_logged(BadInput input)
    {
        var (method, path) = fuzzed.Endpoints[input.Endpoint % fuzzed.Endpoints.Count];
        var place = 0;
        path = Parameters().Replace(path, _ => input.Values[place++ % input.Values.Length]).Replace("ROLLOUT", fuzzed.RolloutId, StringComparison.Ordinal);

        var answer = await RawHttp.SendAsync(
            fuzzed.Host.Http.BaseAddress!, input.Bytes(method, path), hangUp: input.Framing == Framing.TooLong, TestContext.Current.CancellationToken);

        var logged = fuzzed.Log.Take();
        var shown = $"{method} {path}{input.Query}: {answer?.Status} {answer?.Body}\n{string.Join('\n', logged)}";
        Assert.True(answer is null ? MayGoUnanswered(input) : answer.Status is >= 200 and < 500, shown);
        Assert.True(!logged.Any(record => record.Level >= LogLevel.Error || record.Exception is not null), shown);
        if (answer is { Status: >= 400 } && input.Method != "HEAD" && !IsOfTheServer(answer))
            Assert.True(IsProblem(answer), shown);
    }

    [Fact]
    public void Given_the_endpoints_of_the_director_Then_each_is_tried()
    {
        Assert.Contains(("PUT", "/api/v1/configurations/{name}"), fuzzed.Endpoints);
        Assert.Contains(("POST", "/admin/dead-letters/{id}/requeue"), fuzzed.Endpoints);
        Assert.InRange(fuzzed.Endpoints.Count, 25, 200);
    }

    /// <summary>Who hangs up hears nothing, and who still sends when the answer is there may miss it.</summary>
    private static bool MayGoUnanswered(BadInput input) =>
        input.Framing is not (Framing.Length or Framing.Chunks) || input.Body?.Length > 16 * 1024;

    /// <summary>What is no HTTP request at all the web server refuses by itself, without a word, before there is an endpoint.</summary>
    private static bool IsOfTheServer(RawAnswer answer) =>
        answer is { Status: 400 or 405 or 413 or 414 or 431, Body.Length: 0 } && answer.Headers.GetValueOrDefault("Connection") == "close"
        && answer.Headers.GetValueOrDefault("Content-Length") == "0";

    private static bool IsProblem(RawAnswer answer)
    {
        if (answer.Headers.GetValueOrDefault("Content-Type") != "application/problem+json")
            return false;
        using var problem = JsonDocument.Parse(Encoding.Latin1.GetBytes(answer.Body));
        return problem.RootElement.GetProperty("code").GetString()?.Length > 0
            && problem.RootElement.GetProperty("status").GetInt32() == answer.Status;
    }

    [GeneratedRegex(@"\{[^}]*\}", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Parameters();
}

/// <summary>A Director with one runtime and one rollout that has ended, and what it logs.</summary>
public sealed class FuzzedDirector : IAsyncLifetime
{
    private DirectorHost? host;

    internal LogRecords Log { get; } = new();

    internal DirectorHost Host => host!;

    internal string RolloutId { get; private set; } = "";

    /// <summary>Every endpoint that is mapped: method, and path with its parameters.</summary>
    internal IReadOnlyList<(string Method, string Path)> Endpoints { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        host = await DirectorHost.StartAsync(Log);
        await Host.GivenRuntimesAsync("eu-1");
        RolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
        Endpoints =
        [
            .. Host.Services.GetServices<EndpointDataSource>().SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
                .SelectMany(endpoint => (endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["GET"])
                    .Select(method => (method, $"/{endpoint.RoutePattern.RawText!.Trim('/')}")))
                .Distinct(),
        ];
    }

    public async ValueTask DisposeAsync()
    {
        if (host is not null)
            await host.DisposeAsync();
        Log.Dispose();
    }
}
