using System.Diagnostics;
using System.Globalization;

namespace Governor.IntegrationTests;

/// <summary>A broker of one test's own, for tests that stop it. Its address stays the same when it starts again.</summary>
internal sealed class PrivateBroker : IAsyncDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("governor-broker-").FullName;
    private BrokerAddress? address;

    private PrivateBroker()
    {
    }

    /// <summary>Where it is reached.</summary>
    public BrokerAddress Address => address ?? throw new InvalidOperationException("The broker has not started yet.");

    /// <summary>Starts a new, empty broker and waits until it accepts connections.</summary>
    public static async Task<PrivateBroker> StartNewAsync()
    {
        var broker = new PrivateBroker();
        try
        {
            await broker.StartAsync();
            return broker;
        }
        catch
        {
            await broker.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it again, with what it held, and waits until it accepts connections.</summary>
    public async Task StartAsync()
    {
        var exports = (await RunAsync("start"))
            .Split('\n')
            .Where(line => line.StartsWith("export ", StringComparison.Ordinal))
            .Select(line => line["export ".Length..].Split('=', 2))
            .ToDictionary(pair => pair[0], pair => new Uri(pair[1]));
        address = new BrokerAddress(exports["GOVERNOR_TEST_RABBITMQ"], exports["GOVERNOR_TEST_RABBITMQ_MANAGEMENT"]);
    }

    /// <summary>Stops it in good order.</summary>
    public Task StopAsync() => RunAsync("stop");

    /// <summary>Ends it like a power cut, by <c>SIGKILL</c>.</summary>
    public async Task KillAsync()
    {
        var record = await File.ReadAllTextAsync(Path.Combine(folder, "rabbitmq.pid"), CancellationToken.None);
        using var process = Process.GetProcessById(int.Parse(record.Split(' ')[0], CultureInfo.InvariantCulture));
        process.Kill();
        await process.WaitForExitAsync(CancellationToken.None);
    }

    /// <summary>Stops it and removes its data.</summary>
    public async ValueTask DisposeAsync()
    {
        if (File.Exists(Path.Combine(folder, "rabbitmq.pid")))
            await StopAsync();
        Directory.Delete(folder, recursive: true);
    }

    private async Task<string> RunAsync(string command)
    {
        var start = new ProcessStartInfo("bash", [Repository.PathOf("infra", "servers.sh"), command, "--only", "rabbitmq"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["GOVERNOR_SERVERS_DIR"] = folder;
        // Ports that the caller chose are those of the shared servers.
        start.Environment.Remove("GOVERNOR_SERVERS_RABBITMQ_PORT");
        start.Environment.Remove("GOVERNOR_SERVERS_MANAGEMENT_PORT");

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"infra/servers.sh {command} failed: {output}{await errors}");
    }
}
