using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using Npgsql;

namespace Governor.Benchmarks;

/// <summary>A database and a virtual host of this run, on servers that were found or started; removed afterwards.</summary>
internal sealed class Servers : IAsyncDisposable
{
    /// <summary>How a child process is told which database and virtual host to use.</summary>
    public const string NameVariable = "GOVERNOR_BENCHMARK_NAME";

    private const string Postgres = "GOVERNOR_TEST_POSTGRES";
    private const string RabbitMq = "GOVERNOR_TEST_RABBITMQ";
    private const string Management = "GOVERNOR_TEST_RABBITMQ_MANAGEMENT";

    private readonly string? _started;

    private Servers(string name, string? started)
    {
        (Name, _started) = (name, started);
        var amqp = new Uri(Required(RabbitMq));
        var user = amqp.UserInfo.Split(':');
        (Host, Port, User, Password) = (amqp.Host, amqp.Port, Uri.UnescapeDataString(user[0]), Uri.UnescapeDataString(user[1]));
    }

    public string Name { get; }

    public string Host { get; }

    public int Port { get; }

    public string User { get; }

    public string Password { get; }

    public string ConnectionString => new NpgsqlConnectionStringBuilder(Required(Postgres))
    {
        Database = Name, MaxPoolSize = 50, MaxAutoPrepare = 50, AutoPrepareMinUsages = 2, NoResetOnClose = true,
    }.ConnectionString;

    /// <summary>Those that a parent process made.</summary>
    public static Servers OfParent() => new(Required(NameVariable), started: null);

    public static async Task<Servers> OpenAsync(CancellationToken cancellationToken)
    {
        var script = FindScript();
        string? started = null;
        if (new[] { Postgres, RabbitMq, Management }.Any(variable => Environment.GetEnvironmentVariable(variable) is null or ""))
        {
            if (await RunAsync(script, "status", cancellationToken) is (not 0, _))
            {
                Console.Error.WriteLine("starting RabbitMQ and PostgreSQL: infra/servers.sh start");
                var (code, output) = await RunAsync(script, "start", cancellationToken);
                if (code != 0)
                    throw new InvalidOperationException($"infra/servers.sh start failed:\n{output}");
                started = script;
            }

            foreach (var line in (await RunAsync(script, "env", cancellationToken)).Output.Split('\n'))
                if (line.StartsWith("export ", StringComparison.Ordinal) && line[7..].Split('=', 2) is [var name, var value])
                    Environment.SetEnvironmentVariable(name, value.Trim('\'', '"'));
        }

        var servers = new Servers($"governor-benchmark-{Guid.NewGuid():N}", started);
        Environment.SetEnvironmentVariable(NameVariable, servers.Name);
        try
        {
            await servers.CreateAsync(cancellationToken);
            return servers;
        }
        catch
        {
            await servers.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        await ExecuteAsync($"DROP DATABASE IF EXISTS \"{Name}\" WITH (FORCE)", CancellationToken.None);
        using (var http = Http())
        using (await http.DeleteAsync($"api/vhosts/{Name}"))
        {
            // Whatever it says, there is nothing more to do.
        }

        if (_started is not null)
            await RunAsync(_started, "stop", CancellationToken.None);
    }

    private async Task CreateAsync(CancellationToken cancellationToken)
    {
        foreach (var setting in (string[])["fsync", "synchronous_commit", "full_page_writes"])
            if (await ExecuteAsync($"SHOW {setting}", cancellationToken) is not "on")
                throw new InvalidOperationException($"PostgreSQL runs with {setting} off: what it does then compares to nothing. Turn it on.");
        await ExecuteAsync($"CREATE DATABASE \"{Name}\"", cancellationToken);
        using var http = Http();
        using (var created = await http.PutAsync($"api/vhosts/{Name}", content: null, cancellationToken))
            created.EnsureSuccessStatusCode();
        var everything = new { configure = ".*", write = ".*", read = ".*" };
        using var permitted = await http.PutAsJsonAsync($"api/permissions/{Name}/{User}", everything, cancellationToken);
        permitted.EnsureSuccessStatusCode();
    }

    private static async Task<object?> ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(Required(Postgres));
        await connection.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(cancellationToken);
    }

    private HttpClient Http()
    {
        var http = new HttpClient { BaseAddress = new Uri(Required(Management)) };
        http.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}")));
        return http;
    }

    private static string FindScript()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (Path.Combine(folder.FullName, "infra", "servers.sh") is var script && File.Exists(script))
                return script;
        throw new InvalidOperationException("infra/servers.sh was not found above the program; run it from a checkout.");
    }

    private static async Task<(int Code, string Output)> RunAsync(string script, string command, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo(script, command) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync(cancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return (process.ExitCode, output + await error);
    }

    private static string Required(string variable) => Environment.GetEnvironmentVariable(variable)
        ?? throw new InvalidOperationException($"{variable} is not set.");
}
