using System.Diagnostics;
using System.Globalization;

namespace Governor.IntegrationTests;

/// <summary>A folder of <c>infra/servers.sh</c> with one server of a test's own.</summary>
/// <param name="server">The server: <c>rabbitmq</c> or <c>postgres</c>.</param>
internal sealed class ServersFolder(string server) : IAsyncDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory($"governor-{server}-").FullName;

    private string PidFile => Path.Combine(folder, $"{server}.pid");

    /// <summary>Starts it, with what it held, and returns the environment that names it.</summary>
    public async Task<IReadOnlyDictionary<string, string>> StartAsync() => (await RunAsync("start"))
        .Split('\n')
        .Where(line => line.StartsWith("export ", StringComparison.Ordinal))
        .Select(line => line["export ".Length..].Split('=', 2))
        .ToDictionary(pair => pair[0], pair => pair[1].Trim('\'', '"'), StringComparer.Ordinal);

    /// <summary>Stops it in good order.</summary>
    public Task StopAsync() => RunAsync("stop");

    /// <summary>Ends it like a power cut, by <c>SIGKILL</c>.</summary>
    public async Task KillAsync()
    {
        var record = await File.ReadAllTextAsync(PidFile, CancellationToken.None);
        using var process = Process.GetProcessById(int.Parse(record.Split(' ')[0], CultureInfo.InvariantCulture));
        process.Kill();
        await process.WaitForExitAsync(CancellationToken.None);
    }

    /// <summary>Stops it and removes its data.</summary>
    public async ValueTask DisposeAsync()
    {
        if (File.Exists(PidFile))
            await StopAsync();
        Directory.Delete(folder, recursive: true);
    }

    private async Task<string> RunAsync(string command)
    {
        var start = new ProcessStartInfo("bash", [Repository.PathOf("infra", "servers.sh"), command, "--only", server])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["GOVERNOR_SERVERS_DIR"] = folder;
        // Ports that the caller chose are those of the shared servers.
        foreach (var port in new[] { "RABBITMQ", "MANAGEMENT", "POSTGRES" })
            start.Environment.Remove($"GOVERNOR_SERVERS_{port}_PORT");

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"infra/servers.sh {command} failed: {output}{await errors}");
    }
}
