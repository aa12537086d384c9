using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Governor.IntegrationTests;

/// <summary>The management API of a broker.</summary>
internal sealed class BrokerManagement : IDisposable
{
    private readonly HttpClient client;
    private readonly string user;

    public BrokerManagement(BrokerAddress broker)
    {
        var credentials = Uri.UnescapeDataString(broker.Amqp.UserInfo);
        user = credentials.Split(':')[0];
        client = new HttpClient { BaseAddress = new Uri(broker.Management, "/api/") };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials)));
    }

    /// <summary>Makes a virtual host in which the broker's user may do everything.</summary>
    public async Task CreateVirtualHostAsync(string name)
    {
        await PutAsync($"vhosts/{name}", new { });
        await PutAsync($"permissions/{name}/{Uri.EscapeDataString(user)}", new { configure = ".*", write = ".*", read = ".*" });
    }

    /// <summary>Removes a virtual host with all that is in it, connections included.</summary>
    public async Task DeleteVirtualHostAsync(string name)
    {
        using var response = await client.DeleteAsync($"vhosts/{name}", CancellationToken.None);
        if (response.StatusCode != HttpStatusCode.NotFound)
            response.EnsureSuccessStatusCode();
    }

    /// <summary>The names of the virtual hosts.</summary>
    public Task<IReadOnlyList<string>> VirtualHostsAsync() => NamesAsync("vhosts?columns=name");

    /// <summary>The names of a virtual host's queues.</summary>
    public Task<IReadOnlyList<string>> QueuesAsync(string virtualHost) => NamesAsync($"queues/{virtualHost}?columns=name");

    /// <summary>The names of a virtual host's exchanges, without the ones that every virtual host has.</summary>
    public async Task<IReadOnlyList<string>> ExchangesAsync(string virtualHost) =>
        [.. (await NamesAsync($"exchanges/{virtualHost}?columns=name")).Where(n => n.Length > 0 && !n.StartsWith("amq.", StringComparison.Ordinal))];

    /// <summary>Deletes a queue, whatever is in it.</summary>
    public async Task DeleteQueueAsync(string virtualHost, string queue)
    {
        using var response = await client.DeleteAsync($"queues/{virtualHost}/{queue}", CancellationToken.None);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>Any other resource, by its path below <c>/api/</c>.</summary>
    public Task<JsonElement> GetAsync(string path) => client.GetFromJsonAsync<JsonElement>(path, CancellationToken.None);

    public void Dispose() => client.Dispose();

    private async Task<IReadOnlyList<string>> NamesAsync(string path) =>
        [.. (await GetAsync(path)).EnumerateArray().Select(item => item.GetProperty("name").GetString()!)];

    private async Task PutAsync(string path, object body)
    {
        using var response = await client.PutAsJsonAsync(path, body, CancellationToken.None);
        response.EnsureSuccessStatusCode();
    }
}
