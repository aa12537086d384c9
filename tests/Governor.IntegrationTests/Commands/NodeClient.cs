using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;

namespace Governor.IntegrationTests.Commands;

/// <summary>A message as the Node client sends it.</summary>
/// <param name="Exchange">Where to; the queue has the same name.</param>
/// <param name="Body">Any text.</param>
/// <param name="Properties">AMQP properties; a <c>replyTo</c> or <c>correlationId</c> here takes the place of the client's own.</param>
/// <param name="Times">How often it is sent.</param>
/// <param name="Answers">How many answers to wait for.</param>
/// <param name="Seal">Secrets that the client seals, and puts into the body in place of <c>{sealedEntries}</c>.</param>
internal sealed record NodeMessage(string Exchange, string Body, object Properties, int Times = 1, int Answers = 1, NodeSeal? Seal = null);

/// <summary>Secrets for the Node client to seal.</summary>
/// <param name="KeyUrl">Where the Director tells its key.</param>
/// <param name="Entries">The secrets.</param>
/// <param name="Subject">What they are sealed for.</param>
/// <param name="Lifetime">For how many seconds; negative: they have expired.</param>
internal sealed record NodeSeal(Uri KeyUrl, IReadOnlyDictionary<string, string> Entries, string Subject, int Lifetime = 600);

/// <summary>An answer as the Node client got it.</summary>
internal sealed record NodeAnswer(string Type, string ContentType, JsonElement Body)
{
    public string? Text(string field) => Body.TryGetProperty(field, out var value) ? value.ToString() : null;
}

/// <summary>Runs <c>node/client.js</c>: an AMQP client in another language.</summary>
internal static class NodeClient
{
    private static readonly string Source = Repository.PathOf("tests", "Governor.IntegrationTests", "Commands", "node");
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private static readonly Lazy<Task<string>> Installed = new(InstallAsync);

    /// <summary>Sends messages, and waits for their answers.</summary>
    public static Task<List<List<NodeAnswer>>> AskAsync(string url, params NodeMessage[] messages) =>
        RunAsync<List<List<NodeAnswer>>>("ask", new { url, messages });

    /// <summary>Sends many messages, among them a good one every so often, and waits for the answers to the good ones.</summary>
    public static Task<FloodResult> FloodAsync(string url, string exchange, IEnumerable<NodeMessage> messages, int total, string good, int every) =>
        RunAsync<FloodResult>("flood", new { url, exchange, messages, total, good = new { body = good, every } });

    /// <summary>Runs a script that may use what the client uses, and returns what it printed.</summary>
    public static async Task<string> RunScriptAsync(string script, string input) =>
        await RunAsync("node", ["-e", script], await Installed.Value, input);

    /// <summary>How the good messages of a flood were answered.</summary>
    internal sealed record FloodResult(int Accepted, int Rejected);

    private static async Task<T> RunAsync<T>(string mode, object input)
    {
        var folder = await Installed.Value;
        var output = await RunAsync("node", [Path.Combine(folder, "client.js"), mode], folder, JsonSerializer.Serialize(input, JsonSerializerOptions.Web));
        return JsonSerializer.Deserialize<T>(output, JsonSerializerOptions.Web)!;
    }

    /// <summary>Installs what the script needs, once per machine and version of the script.</summary>
    private static async Task<string> InstallAsync()
    {
        var files = Directory.GetFiles(Source).Order(StringComparer.Ordinal).ToList();
        var version = Convert.ToHexStringLower(SHA256.HashData([.. files.SelectMany(File.ReadAllBytes)]))[..16];
        var folder = Path.Combine(Path.GetTempPath(), $"governor-node-{version}");
        if (Directory.Exists(folder))
            return folder;

        // Aside, and then moved in one step: another run may do the same at the same time.
        var fresh = Directory.CreateTempSubdirectory("governor-node-").FullName;
        foreach (var file in files)
            File.Copy(file, Path.Combine(fresh, Path.GetFileName(file)));
        await RunAsync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], fresh, input: "");
        try
        {
            Directory.Move(fresh, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            Directory.Delete(fresh, recursive: true);
        }

        return folder;
    }

    private static async Task<string> RunAsync(string program, string[] arguments, string folder, string input)
    {
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, arguments)
            {
                WorkingDirectory = folder, UseShellExecute = false,
                RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            },
        };
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException(
                $"This test needs {program}. Either run all tests by infra/test.sh, or: apt-get install --no-install-recommends nodejs npm", e);
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(patience.Token), process.StandardError.ReadToEndAsync(patience.Token));
            await process.StandardInput.WriteAsync(input.AsMemory(), patience.Token);
            process.StandardInput.Close();
            await process.WaitForExitAsync(patience.Token);
            Assert.True(process.ExitCode == 0, $"{program} {arguments[0]}: exit code {process.ExitCode}\n{await output}\n{await errors}");
            return await output;
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
