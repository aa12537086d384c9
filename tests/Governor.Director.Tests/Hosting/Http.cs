using System.Net;
using System.Text;
using System.Text.Json;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Hosting;

/// <summary>What tests ask of the Director over HTTP, and what they wait for.</summary>
internal static class Http
{
    public static async Task<Answer> SendAsync(
        this DirectorHost host, HttpMethod method, string path, object? body = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        if (body is not null)
            request.Content = new StringContent(body as string ?? JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        using var response = await host.Http.SendAsync(request, TestContext.Current.CancellationToken);
        return await Answer.OfAsync(response);
    }

    public static Task<Answer> GetAsync(this DirectorHost host, string path, params (string, string)[] headers) =>
        host.SendAsync(HttpMethod.Get, path, headers: headers);

    public static Task<Answer> PostAsync(this DirectorHost host, string path, object? body = null) =>
        host.SendAsync(HttpMethod.Post, path, body);

    public static Task<Answer> DeleteAsync(this DirectorHost host, string path, params (string, string)[] headers) =>
        host.SendAsync(HttpMethod.Delete, path, headers: headers);

    public static Task<Answer> PutAsync(this DirectorHost host, string configuration, object body, params (string, string)[] headers) =>
        host.SendAsync(HttpMethod.Put, $"/api/v1/configurations/{configuration}", body, headers);

    /// <summary>Registers a runtime, or relabels it.</summary>
    public static Task<Answer> RegisterAsync(
        this DirectorHost host, string runtimeId, object? labels = null, params (string, string)[] headers) =>
        host.SendAsync(HttpMethod.Put, $"/api/v1/runtimes/{runtimeId}",
            new { kind = Fleet.Kind, labels = labels ?? new { region = Fleet.RegionOf(runtimeId) } }, headers);

    /// <summary>Runtimes that are registered, whose Agents are there, and which hold what they should.</summary>
    public static async Task GivenRuntimesAsync(this DirectorHost host, params string[] runtimeIds)
    {
        await host.GivenAwayRuntimesAsync(runtimeIds);
        foreach (var runtimeId in runtimeIds)
            await host.PublishAsync(host[runtimeId].Enrolment());
        foreach (var runtimeId in runtimeIds)
            await host.UntilSettledAsync(runtimeId);
    }

    /// <summary>Runtimes whose Agents have never been heard.</summary>
    public static async Task GivenAwayRuntimesAsync(this DirectorHost host, params string[] runtimeIds)
    {
        (await host.PostAsync("/api/v1/runtimes:batch", new
        {
            runtimes = runtimeIds.Select(id => new { runtimeId = id, kind = Fleet.Kind, labels = new { region = Fleet.RegionOf(id) } }),
        })).Is(HttpStatusCode.OK);
        foreach (var runtimeId in runtimeIds)
            await host.UntilRuntimeAsync(runtimeId, r => r.State == RuntimeState.Ready, "ready");
    }

    /// <summary>Makes a change that must be accepted with a rollout.</summary>
    /// <returns>The rollout's id.</returns>
    public static async Task<string> RollOutAsync(this DirectorHost host, string configuration, object body) =>
        (await host.PutAsync(configuration, body)).Is(HttpStatusCode.Accepted).RolloutId;

    /// <summary>Makes a change whose rollout must end well.</summary>
    public static async Task<string> GivenRolledOutAsync(this DirectorHost host, string configuration, object body)
    {
        var rolloutId = await host.RollOutAsync(configuration, body);
        await host.UntilRolloutAsync(rolloutId, "Succeeded");
        return rolloutId;
    }

    public static async Task<Answer> RolloutAsync(this DirectorHost host, string rolloutId) =>
        (await host.GetAsync($"/admin/rollouts/{rolloutId}")).Is(HttpStatusCode.OK);

    /// <summary>Waits for a state, and does something again and again meanwhile.</summary>
    public static async Task UntilRolloutAsync(this DirectorHost host, string rolloutId, string state, Func<Task> during) =>
        await Eventually.IsTrueAsync(
            async () =>
            {
                await during();
                return (await host.RolloutAsync(rolloutId)).Text("state") == state;
            },
            async () => $"{state}; targets {string.Join(", ", await host.TargetsAsync(rolloutId))}");

    public static async Task<Answer> UntilRolloutAsync(this DirectorHost host, string rolloutId, string state)
    {
        var rollout = await host.RolloutAsync(rolloutId);
        await Eventually.IsTrueAsync(
            async () => (rollout = await host.RolloutAsync(rolloutId)).Text("state") == state,
            async () => $"{state}; targets {string.Join(", ", await host.TargetsAsync(rolloutId))}, {rollout.Json!.ToJsonString()}");
        return rollout;
    }

    /// <summary>The state of each target.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> TargetsAsync(this DirectorHost host, string rolloutId) =>
        (await host.GetAsync($"/admin/rollouts/{rolloutId}/targets")).Is(HttpStatusCode.OK).Items
            .ToDictionary(t => (string)t["runtimeId"]!, t => (string)t["state"]!, StringComparer.Ordinal);

    public static async Task<string> TargetAsync(this DirectorHost host, string rolloutId, string runtimeId) =>
        (await host.TargetsAsync(rolloutId)).GetValueOrDefault(runtimeId, "none");

    public static Task UntilTargetAsync(this DirectorHost host, string rolloutId, string runtimeId, string state) =>
        Eventually.IsTrueAsync(
            async () => await host.TargetAsync(rolloutId, runtimeId) == state,
            async () => $"target {runtimeId} to be {state}: it is {await host.TargetAsync(rolloutId, runtimeId)}");

    public static Task<Runtime> RuntimeAsync(this DirectorHost host, string runtimeId) =>
        host.ReadAsync(db => db.Runtimes.AsNoTracking().SingleAsync(r => r.RuntimeId == runtimeId));

    public static Task UntilRuntimeAsync(this DirectorHost host, string runtimeId, Func<Runtime, bool> condition, string what) =>
        Eventually.IsTrueAsync(async () => condition(await host.RuntimeAsync(runtimeId)), $"{runtimeId} to be {what}");

    /// <summary>Waits until the runtime has reported the newest generation, with its Agent's key known.</summary>
    public static Task UntilSettledAsync(this DirectorHost host, string runtimeId) => host.UntilRuntimeAsync(
        runtimeId, r => r is { State: RuntimeState.Ready, Kid: not null, Generation: > 0 } && r.ReportedGeneration == r.Generation, "settled");

    /// <summary>What the runtime should hold: revision per configuration.</summary>
    public static Task<Dictionary<string, int>> AssignedAsync(this DirectorHost host, string runtimeId) =>
        host.ReadAsync(db => db.Assignments.Where(a => a.RuntimeId == runtimeId)
            .ToDictionaryAsync(a => a.Item, a => a.Revision, StringComparer.Ordinal));

    public static async Task<(int Findings, int Sent)> ScanAsync(this DirectorHost host)
    {
        var result = (await host.PostAsync("/admin/drift/scan")).Is(HttpStatusCode.OK);
        return (result.Number("findings"), result.Number("sent"));
    }

    /// <summary>The findings as <c>runtime/configuration kind</c>.</summary>
    public static async Task<IReadOnlyList<string>> FindingsAsync(this DirectorHost host) =>
    [
        .. (await host.GetAsync("/admin/drift")).Is(HttpStatusCode.OK).Items
            .Select(f => $"{f["runtimeId"]}/{f["configuration"] ?? f["credential"]} {f["kind"]}"),
    ];

    /// <summary>Lets time pass in which the Director listened all along.</summary>
    public static async Task AdvanceAsync(this DirectorHost host, TimeSpan by)
    {
        host.Clock.Advance(by);
        var now = host.Clock.GetUtcNow();

        // A jump looks to the Director like a time in which nobody listened: so it beats once, and then never paused.
        await Eventually.IsTrueAsync(() => host.ReadAsync(db => db.Heartbeats.AnyAsync(h => h.BeatAt >= now)), "a heartbeat");
        await host.ChangeAsync(db => db.Heartbeats.ExecuteUpdateAsync(
            set => set.SetProperty(h => h.ListeningSince, now.AddYears(-1)), TestContext.Current.CancellationToken));
    }

    public static Task<IReadOnlyList<RolloutWave>> WavesAsync(this DirectorHost host) =>
        host.ReadAsync<IReadOnlyList<RolloutWave>>(async db => await db.Waves.AsNoTracking().ToListAsync());
}
