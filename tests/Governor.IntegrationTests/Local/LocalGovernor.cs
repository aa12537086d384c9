using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Governor.IntegrationTests.Local;

/// <summary>Governor.Local in a folder of its own, started and spoken to as by somebody who has just met it.</summary>
internal sealed class LocalGovernor : IAsyncDisposable
{
    /// <summary>For what takes moments on a machine that has nothing else to do.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);

    /// <summary>A process that is asked to end has this long.</summary>
    public static readonly TimeSpan Drain = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, string?> environment;
    private readonly List<GovernorProcess> started = [];
    private HttpClient? http;

    /// <param name="settings">Settings on top of its own, by their name in the environment.</param>
    public LocalGovernor(params (string Key, string Value)[] settings) =>
        environment = settings.ToDictionary(s => s.Key, string? (s) => s.Value, StringComparer.Ordinal);

    /// <summary>The folder that it is started in.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("governor-local-").FullName;

    /// <summary>The process started last.</summary>
    public GovernorProcess Process => started[^1];

    /// <summary>The file that its Director keeps its state in.</summary>
    public string Database => Path.Combine(Folder, ".governor", "governor.db");

    private HttpClient Http => http ?? throw new InvalidOperationException("It was not started.");

    /// <summary>Starts it, and does not wait.</summary>
    public GovernorProcess Launch(params string[] arguments)
    {
        started.Add(GovernorProcess.Start("Governor.Local", environment, arguments, Folder));
        return Process;
    }

    /// <summary>Starts it as from a terminal, where Ctrl+C ends it, and does not wait.</summary>
    public GovernorProcess LaunchInForeground()
    {
        started.Add(GovernorProcess.StartInForeground("Governor.Local", environment, Folder));
        return Process;
    }

    /// <summary>Starts it with a command line of <c>dotnet</c>, and does not wait.</summary>
    public GovernorProcess LaunchDotnet(params string[] arguments)
    {
        started.Add(GovernorProcess.StartDotnet("dotnet", arguments, environment, Folder));
        return Process;
    }

    /// <summary>Starts it, and waits until it is ready.</summary>
    public async Task StartAsync(params string[] arguments)
    {
        Launch(arguments);
        await ReadyAsync(Deadline);
    }

    /// <summary>Waits until it answers that it is ready.</summary>
    public async Task ReadyAsync(TimeSpan deadline)
    {
        var since = TimeProvider.System.GetTimestamp();
        var address = await Process.WaitForAddressAsync(deadline);
        http?.Dispose();
        http = new HttpClient { BaseAddress = address, Timeout = Deadline };
        await Eventually.TrueAsync(
            async () => (await http.GetAsync("/health/ready")).StatusCode == HttpStatusCode.OK,
            deadline - TimeProvider.System.GetElapsedTime(since), () => $"it is ready; it wrote:\n{Process.Output}");
    }

    /// <summary>Reads from the API.</summary>
    public async Task<JsonNode> GetAsync(string path) => (await Http.GetFromJsonAsync<JsonNode>(path))!;

    /// <summary>Writes to the API, and fails the test if that is refused.</summary>
    public async Task<JsonNode?> SendAsync(HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : new StringContent(body) };
        using var response = await Http.SendAsync(request);
        var answer = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{method} {path}: {response.StatusCode} {answer}");
        return answer.Length == 0 ? null : JsonNode.Parse(answer);
    }

    /// <summary>Puts a configuration, and returns its rollout.</summary>
    public async Task<string> PutAsync(string configuration, string body) =>
        (await SendAsync(HttpMethod.Put, $"/api/v1/configurations/{configuration}", body))!["rolloutId"]!.GetValue<string>();

    /// <summary>Puts a file of <c>contracts/examples</c> as the configuration of that name, and returns its rollout.</summary>
    public Task<string> PutExampleAsync(string name) => PutAsync(name, Example(name));

    /// <summary>Puts an example, and waits until every target holds it.</summary>
    public async Task<string> RollOutExampleAsync(string name)
    {
        var rolloutId = await PutExampleAsync(name);
        await SucceedsAsync(rolloutId);
        return rolloutId;
    }

    /// <summary>Waits until every target of a rollout holds it.</summary>
    public async Task SucceedsAsync(string rolloutId)
    {
        JsonNode? rollout = null;
        await Eventually.TrueAsync(
            async () =>
            {
                rollout = await GetAsync($"/admin/rollouts/{rolloutId}");
                return rollout["endedAt"] is not null;
            },
            Deadline, () => $"the rollout ends; it is {rollout}");
        Assert.Equal("Succeeded", rollout!["state"]!.GetValue<string>());
    }

    /// <summary>The open findings: runtime, configuration and kind.</summary>
    public async Task<IReadOnlyList<(string Runtime, string? Configuration, string Kind)>> FindingsAsync() =>
    [
        .. (await GetAsync("/admin/drift"))["items"]!.AsArray().Select(f => (
            f!["runtimeId"]!.GetValue<string>(), f["configuration"]?.GetValue<string>(), f["kind"]!.GetValue<string>())),
    ];

    /// <summary>The ids of the registered runtimes, in order of the alphabet.</summary>
    public async Task<IReadOnlyList<string>> RuntimesAsync() =>
    [
        .. (await GetAsync("/api/v1/runtimes?limit=200"))["items"]!.AsArray()
            .Select(r => r!["runtimeId"]!.GetValue<string>()).Order(StringComparer.Ordinal),
    ];

    /// <summary>The path of the file that holds a component of a runtime.</summary>
    public string FileOf(string runtimeId, string component) =>
        Path.Combine(Folder, ".governor", "runtimes", runtimeId, $"{component}.yaml");

    /// <summary>The component files of all runtimes.</summary>
    public IReadOnlyList<string> ComponentFiles() =>
        Directory.GetFiles(Path.Combine(Folder, ".governor", "runtimes"), "*.yaml", SearchOption.AllDirectories);

    /// <summary>Kills what still runs, and removes the folder.</summary>
    public async ValueTask DisposeAsync()
    {
        http?.Dispose();
        foreach (var process in started)
            await process.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    private static string Example(string name) => File.ReadAllText(Repository.PathOf("contracts", "examples", $"{name}.json"));
}
