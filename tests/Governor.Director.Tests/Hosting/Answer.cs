using System.Net;
using System.Text.Json.Nodes;

namespace Governor.Director.Tests.Hosting;

/// <summary>An answer of the HTTP interface, read whole.</summary>
internal sealed record Answer(HttpStatusCode Status, JsonNode? Json, string? MediaType, string? Location, string? ETag)
{
    public string? Text(string field) => Json?[field]?.ToString();

    public string? Code => Text("code");

    public string RolloutId => Text("rolloutId")!;

    public int Number(string field) => Json![field]!.GetValue<int>();

    public IReadOnlyList<JsonNode> Items => [.. Json!["items"]!.AsArray().Select(item => item!)];

    /// <summary>Fails with the body unless the status is this one.</summary>
    public Answer Is(HttpStatusCode status)
    {
        Assert.True(status == Status, $"Expected {(int)status}, got {(int)Status}: {Json?.ToJsonString()}");
        return this;
    }

    /// <summary>Fails unless it is a problem with that status and code, whose text says what a person needs to mend it.</summary>
    public Answer IsProblem(HttpStatusCode status, string code, params string[] says)
    {
        Is(status);
        Assert.Equal("application/problem+json", MediaType);
        Assert.Equal(code, Code);
        Assert.All(says, text => Assert.Contains(text, Text("detail"), StringComparison.Ordinal));
        Assert.Equal((int)status, Number("status"));
        return this;
    }

    public static async Task<Answer> OfAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return new Answer(response.StatusCode, text.Length == 0 ? null : JsonNode.Parse(text),
            response.Content.Headers.ContentType?.MediaType, response.Headers.Location?.ToString(), response.Headers.ETag?.ToString());
    }
}
