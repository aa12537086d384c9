using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Governor.IntegrationTests.Fleet;

/// <summary>A Director's HTTP interface, as its users see it.</summary>
internal sealed class DirectorApi(Uri address) : IDisposable
{
    private const int BatchLimit = 1000;

    private readonly HttpClient client = new() { BaseAddress = address, Timeout = RunningDirector.Patience };

    /// <summary>Where it is reached.</summary>
    public Uri Address => address;

    /// <summary>Whether <c>/health/ready</c> is green, and what it says.</summary>
    public async Task<(bool Ready, string Body)> ReadyAsync()
    {
        using var response = await client.GetAsync("/health/ready", CancellationToken.None);
        return (response.StatusCode == HttpStatusCode.OK, await response.Content.ReadAsStringAsync(CancellationToken.None));
    }

    /// <summary>The checks of <c>/health/ready</c> that are not green.</summary>
    public async Task<IReadOnlyList<string>> GetUnreadyChecksAsync()
    {
        using var json = JsonDocument.Parse((await ReadyAsync()).Body);
        return [.. json.RootElement.GetProperty("checks").EnumerateObject()
            .Where(check => Text(check.Value, "status") != "Healthy").Select(check => check.Name)];
    }

    /// <summary>Registers runtimes of the kind <c>standalone-kyma</c>, all with the same labels.</summary>
    public Task RegisterAsync(IEnumerable<string> runtimeIds, params (string Key, string Value)[] labels)
    {
        var common = labels.ToDictionary(l => l.Key, l => l.Value, StringComparer.Ordinal);
        return RegisterAsync(runtimeIds.Select(id => (id, common)));
    }

    /// <summary>Registers runtimes of the kind <c>standalone-kyma</c>, each with its own labels.</summary>
    public async Task RegisterAsync(IEnumerable<(string RuntimeId, Dictionary<string, string> Labels)> runtimes)
    {
        foreach (var batch in runtimes.Chunk(BatchLimit))
        {
            var body = new { runtimes = batch.Select(r => new { runtimeId = r.RuntimeId, kind = "standalone-kyma", labels = r.Labels }) };
            using var response = await client.PostAsJsonAsync("/api/v1/runtimes:batch", body, CancellationToken.None);
            Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(CancellationToken.None));
        }
    }

    /// <summary>Waits until runtimes are ready and have reported on all that they were sent: from then on all is quiet.</summary>
    public async Task WaitUntilHeardAsync(IReadOnlyCollection<string> runtimeIds)
    {
        var missing = runtimeIds.ToHashSet(StringComparer.Ordinal);
        await Eventually.TrueAsync(
            async () =>
            {
                missing.ExceptWith((await ListAsync("/api/v1/runtimes")).Where(IsHeard).Select(r => Text(r, "runtimeId")));
                return missing.Count == 0;
            },
            RunningDirector.Patience,
            () => $"all runtimes are ready and have reported; {missing.Count} have not, for example {missing.First()}");
    }

    /// <summary>Waits until runtimes have their queues, whether or not somebody reports for them.</summary>
    public Task WaitUntilProvisionedAsync(IReadOnlyCollection<string> runtimeIds) => Eventually.TrueAsync(
        async () => (await ListAsync("/api/v1/runtimes")).Where(r => Text(r, "state") == "ready").Select(r => Text(r, "runtimeId"))
            .ToHashSet(StringComparer.Ordinal).IsSupersetOf(runtimeIds),
        RunningDirector.Patience, "the runtimes have their queues");

    /// <summary>Changes a configuration, and returns the id of the rollout that follows.</summary>
    public async Task<string> ChangeAsync(string configuration, string content)
    {
        using var response = await SendAsync(HttpMethod.Put, $"/api/v1/configurations/{configuration}", content);
        var body = await response.Content.ReadAsStringAsync(CancellationToken.None);
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, $"{response.StatusCode}: {body}");
        using var json = JsonDocument.Parse(body);
        return Text(json.RootElement, "rolloutId");
    }

    /// <summary>Waits until a rollout has ended, in the state given and no other.</summary>
    public async Task<JsonElement> WaitUntilEndedAsync(string rolloutId, string state)
    {
        JsonElement rollout = default;
        await Eventually.TrueAsync(
            async () =>
            {
                rollout = await GetAsync($"/admin/rollouts/{rolloutId}");
                return rollout.TryGetProperty("endedAt", out _);
            },
            RunningDirector.Patience,
            () => $"the rollout ends; it is {rollout}");
        Assert.True(Text(rollout, "state") == state, $"The rollout ended otherwise than as {state}: {rollout}");
        return rollout;
    }

    /// <summary>A rollout's targets, by the ids of their runtimes.</summary>
    public async Task<IReadOnlyDictionary<string, JsonElement>> TargetsAsync(string rolloutId) =>
        (await ListAsync($"/admin/rollouts/{rolloutId}/targets")).ToDictionary(t => Text(t, "runtimeId"), StringComparer.Ordinal);

    /// <summary>The state of one target.</summary>
    public async Task<string> TargetStateAsync(string rolloutId, string runtimeId) =>
        Text((await TargetsAsync(rolloutId))[runtimeId], "state");

    /// <summary>Any other resource.</summary>
    public Task<JsonElement> GetAsync(string path) => client.GetFromJsonAsync<JsonElement>(path, CancellationToken.None);

    /// <summary>Any other request, whatever comes of it.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? body, params (string Key, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        foreach (var (key, value) in headers)
            request.Headers.TryAddWithoutValidation(key, value);
        return await client.SendAsync(request, CancellationToken.None);
    }

    public void Dispose() => client.Dispose();

    /// <summary>The text of a property that must be there.</summary>
    public static string Text(JsonElement item, string property) => item.GetProperty(property).GetString()!;

    private static bool IsHeard(JsonElement runtime) =>
        Text(runtime, "state") == "ready" && !runtime.GetProperty("away").GetBoolean()
        && runtime.GetProperty("reportedGeneration").GetInt64() == runtime.GetProperty("generation").GetInt64();

    private async Task<List<JsonElement>> ListAsync(string path)
    {
        var items = new List<JsonElement>();
        string? cursor = null;
        do
        {
            var page = await GetAsync($"{path}?limit=1000{(cursor is null ? "" : $"&cursor={cursor}")}");
            items.AddRange(page.GetProperty("items").EnumerateArray());
            cursor = page.TryGetProperty("nextCursor", out var next) ? next.GetString() : null;
        }
        while (cursor is not null);
        return items;
    }
}
