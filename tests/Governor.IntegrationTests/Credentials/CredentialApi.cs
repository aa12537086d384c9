using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Credentials;

/// <summary>Credentials as their users see them.</summary>
internal static class CredentialApi
{
    /// <summary>Name of the one entry that the credentials of these tests have.</summary>
    public const string Entry = "password";

    /// <summary>The body of a rotation.</summary>
    public static string Body(string password, object? policy = null) =>
        JsonSerializer.Serialize(new { entries = new Dictionary<string, string> { [Entry] = password }, policy = policy ?? new { } });

    /// <summary>The content of <see cref="Contents.Logging"/>, whose component also refers to credentials.</summary>
    public static string Using(string content, params string[] credentials)
    {
        var changed = JsonNode.Parse(content)!;
        foreach (var credential in credentials)
        {
            changed["components"]![0]!["metadata"]!.AsArray().Add(new JsonObject
            {
                ["name"] = $"{credential}-password",
                ["secretKeyRef"] = new JsonObject { ["name"] = credential, ["key"] = Entry },
            });
        }

        return changed.ToJsonString();
    }

    /// <summary>Rotates, which must be accepted, and returns the rollout's id.</summary>
    public static async Task<string> RotateAsync(this DirectorApi api, string credential, string password, object? policy = null)
    {
        using var response = await api.SendAsync(HttpMethod.Post, $"/api/v1/credentials/{credential}/rotations", Body(password, policy));
        var body = await response.Content.ReadAsStringAsync(CancellationToken.None);
        Assert.True(response.StatusCode == HttpStatusCode.Accepted, $"{response.StatusCode}: {body}");
        return JsonNode.Parse(body)!["rolloutId"]!.GetValue<string>();
    }

    /// <summary>Rotates a credential, and waits until everyone has it.</summary>
    public static async Task RotatedAsync(this DirectorApi api, string credential, string password) =>
        await api.WaitUntilEndedAsync(await api.RotateAsync(credential, password), "Succeeded");

    /// <summary>Makes a credential, and a configuration of the same name that uses it at the runtimes with a label.</summary>
    public static async Task GivenUsedAsync(this DirectorApi api, string credential, string password, string label, string value)
    {
        await api.RotatedAsync(credential, password);
        await api.WaitUntilEndedAsync(
            await api.ChangeAsync(credential, Using(Contents.Logging($"https://{credential}.example", label, value), credential)), "Succeeded");
    }

    /// <summary>The stage of each version, oldest first.</summary>
    public static async Task<IReadOnlyList<string>> StagesAsync(this DirectorApi api, string credential) =>
        [.. (await api.VersionsAsync(credential)).Select(v => DirectorApi.Text(v, "stage"))];

    /// <summary>The versions, oldest first.</summary>
    public static async Task<IReadOnlyList<JsonElement>> VersionsAsync(this DirectorApi api, string credential) =>
        [.. (await api.GetAsync($"/api/v1/credentials/{credential}")).GetProperty("versions").EnumerateArray().Reverse()];

    /// <summary>Who may hold what, each as <c>runtime@version</c>.</summary>
    public static async Task<IReadOnlyList<string>> HoldersAsync(this DirectorApi api, string credential) =>
    [
        .. (await api.GetAsync($"/admin/credentials/{credential}/usage")).GetProperty("items").EnumerateArray()
            .Select(h => $"{DirectorApi.Text(h, "runtimeId")}@{h.GetProperty("version").GetInt32()}").Order(StringComparer.Ordinal),
    ];

    /// <summary>Waits until it is known that just these runtimes may hold just these versions.</summary>
    public static async Task WaitUntilHeldAsync(this DirectorApi api, string credential, params string[] holders)
    {
        IReadOnlyList<string> last = [];
        await Eventually.TrueAsync(
            async () => (last = await api.HoldersAsync(credential)).SequenceEqual(holders, StringComparer.Ordinal), RunningDirector.Patience,
            () => $"{credential} is held by {string.Join(' ', holders)}; it is by {string.Join(' ', last)}");
    }

    /// <summary>Waits until a runtime's target is in a state.</summary>
    public static Task WaitUntilTargetAsync(this DirectorApi api, string rolloutId, string runtimeId, string state) => Eventually.TrueAsync(
        async () => await api.TargetStateAsync(rolloutId, runtimeId) == state, RunningDirector.Patience, $"{runtimeId} is {state}");

    /// <summary>Asks for something to be done to a version.</summary>
    public static async Task<(HttpStatusCode Status, string Body)> DoAsync(this DirectorApi api, string credential, int version, string action)
    {
        using var response = await api.SendAsync(HttpMethod.Post, $"/admin/credentials/{credential}/versions/{version}/{action}", body: null);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(CancellationToken.None));
    }
}
