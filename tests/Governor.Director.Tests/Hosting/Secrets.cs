using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Governor.Director.Tests.Hosting;

/// <summary>Credentials, and components that use them.</summary>
internal static class Secrets
{
    /// <summary>A component whose password comes from a credential.</summary>
    public static JsonObject Store(string credential = "redis", string entry = "password", string host = "redis-a", object? target = null) =>
        Change.Of(target ?? new { }, priority: null, policy: null, Uses(Change.Component("store", host), credential, entry));

    /// <summary>The same component with one more setting, a reference.</summary>
    public static JsonObject Uses(JsonObject component, string credential, string entry)
    {
        component["metadata"]!.AsArray().Add(new JsonObject
        {
            ["name"] = "redisPassword",
            ["secretKeyRef"] = new JsonObject { ["name"] = credential, ["key"] = entry },
        });
        return component;
    }

    public static Task<Answer> RotateAsync(this DirectorHost host, string credential, object? entries, object? policy = null)
    {
        var body = new JsonObject();
        if (entries is not null)
            body["entries"] = JsonSerializer.SerializeToNode(entries);
        if (policy is not null)
            body["policy"] = JsonSerializer.SerializeToNode(policy);
        return host.PostAsync($"/api/v1/credentials/{credential}/rotations", body);
    }

    /// <summary>Rotates, which must be accepted.</summary>
    /// <returns>The rollout's id.</returns>
    public static async Task<string> RotatedAsync(this DirectorHost host, string credential, string password, object? policy = null) =>
        (await host.RotateAsync(credential, new { password }, policy)).Is(HttpStatusCode.Accepted).RolloutId;

    /// <summary>Rotates, which must succeed.</summary>
    public static async Task<string> GivenCredentialAsync(this DirectorHost host, string credential, string password, object? policy = null)
    {
        var rolloutId = await host.RotatedAsync(credential, password, policy);
        await host.UntilRolloutAsync(rolloutId, "Succeeded");
        return rolloutId;
    }

    /// <summary>The stage of each version, oldest first.</summary>
    public static async Task<IReadOnlyList<string>> StagesAsync(this DirectorHost host, string credential) =>
    [
        .. (await host.GetAsync($"/api/v1/credentials/{credential}")).Is(HttpStatusCode.OK).Json!["versions"]!.AsArray()
            .Reverse().Select(v => (string)v!["stage"]!),
    ];

    /// <summary>Who may hold what, as <c>runtime@version</c>.</summary>
    public static async Task<IReadOnlyList<string>> HoldersAsync(this DirectorHost host, string credential) =>
    [
        .. (await host.GetAsync($"/admin/credentials/{credential}/usage")).Is(HttpStatusCode.OK).Items
            .Select(h => $"{h["runtimeId"]}@{h["version"]}"),
    ];
}
