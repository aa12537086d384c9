using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using RabbitMQ.Client;

namespace Governor.Messaging.Tests;

/// <summary>A virtual host of a test class's own on the broker that the environment names, removed at the end.</summary>
public sealed class RabbitMqServer : IAsyncLifetime
{
    private readonly Uri _broker = Address("GOVERNOR_TEST_RABBITMQ");
    private readonly HttpClient _management = new() { BaseAddress = Address("GOVERNOR_TEST_RABBITMQ_MANAGEMENT") };
    private readonly List<string> _users = [];
    // A name that must be encoded, since users may have one.
    private readonly string _virtualHost = Uri.EscapeDataString($"governor messaging/{Guid.NewGuid():N}");

    public IReadOnlyDictionary<string, string?> Settings => SettingsFor(_broker.UserInfo);

    public async ValueTask InitializeAsync()
    {
        _management.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(_broker.UserInfo))));
        await PutAsync($"vhosts/{_virtualHost}", new { });
        await PutAsync($"permissions/{_virtualHost}/{_broker.UserInfo.Split(':')[0]}", new { configure = ".*", write = ".*", read = ".*" });
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var user in _users)
            await _management.DeleteAsync($"api/users/{user}");
        await _management.DeleteAsync($"api/vhosts/{_virtualHost}");
        _management.Dispose();
    }

    public IReadOnlyDictionary<string, string?> SettingsFor(string userInfo, string queueType = "") => new Dictionary<string, string?>
    {
        ["ConnectionStrings:RabbitMq"] = $"amqp://{userInfo}@{_broker.Authority}/{_virtualHost}",
        ["RabbitMq:QueueType"] = queueType,
    };

    /// <summary>Makes a user with exactly these permissions; answers with its <c>user:password</c>.</summary>
    public async Task<string> CreateUserAsync(string configure, string write, string read)
    {
        var user = $"agent-{Guid.NewGuid():N}";
        _users.Add(user);
        await PutAsync($"users/{user}", new { password = "secret", tags = "" });
        await PutAsync($"permissions/{_virtualHost}/{user}", new { configure, write, read });
        return $"{user}:secret";
    }

    public Task<IConnection> ConnectAsync(string? userInfo = null) =>
        new ConnectionFactory { Uri = new Uri($"amqp://{userInfo ?? _broker.UserInfo}@{_broker.Authority}/{_virtualHost}") }.CreateConnectionAsync();

    /// <summary>What the broker lists of this virtual host: <c>exchanges</c>, <c>queues</c> or <c>bindings</c>.</summary>
    public async Task<IReadOnlyList<JsonElement>> ListAsync(string what) =>
        await _management.GetFromJsonAsync<List<JsonElement>>($"api/{what}/{_virtualHost}") ?? [];

    public async Task<JsonElement?> FindAsync(string what, string name)
    {
        using var response = await _management.GetAsync($"api/{what}/{_virtualHost}/{Uri.EscapeDataString(name)}");
        return response.StatusCode == HttpStatusCode.NotFound ? null : await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    /// <summary>Closes the connections whose client-provided name will do.</summary>
    public async Task CloseConnectionsAsync(Func<string, bool> chosen)
    {
        var closed = 0;
        // The management API learns of a connection only seconds after it was opened.
        await Poll.UntilAsync(async () =>
        {
            foreach (var connection in await _management.GetFromJsonAsync<List<JsonElement>>($"api/vhosts/{_virtualHost}/connections") ?? [])
            {
                if (connection.TryGetProperty("user_provided_name", out var name) && chosen(name.GetString()!))
                {
                    await _management.DeleteAsync($"api/connections/{Uri.EscapeDataString(connection.GetProperty("name").GetString()!)}");
                    closed++;
                }
            }

            return closed > 0;
        }, () => "the broker lists no such connection");
    }

    private async Task PutAsync<T>(string path, T body)
    {
        using var response = await _management.PutAsJsonAsync($"api/{path}", body);
        response.EnsureSuccessStatusCode();
    }

    private static Uri Address(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } address
        ? new Uri(address)
        : throw new InvalidOperationException($"{variable} is not set: this test needs RabbitMQ. Run infra/servers.sh start, and set what it prints.");
}
