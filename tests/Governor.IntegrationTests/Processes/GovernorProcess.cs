using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Governor.IntegrationTests;

/// <summary>One of the Governor's programs in a process of its own, from the same build as the tests.</summary>
internal sealed partial class GovernorProcess : IAsyncDisposable
{
    private const int InterruptSignal = 2;
    private const int KillSignal = 9;
    private const int ContinueSignal = 18;
    private const int StopSignal = 19;
    private const int TerminationSignal = 15;

    private readonly Process process;
    private readonly string program;
    private readonly Lock gate = new();
    private readonly List<string> lines = [];

    private GovernorProcess(string program, ProcessStartInfo start)
    {
        this.program = program;
        process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, e) => Record(e.Data);
        process.ErrorDataReceived += (_, e) => Record(e.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    private static string DotnetHost => Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    /// <summary>Process id.</summary>
    public int Id => process.Id;

    /// <summary>Whether it has ended.</summary>
    public bool HasExited => process.HasExited;

    /// <summary>What it has written until now, both streams together.</summary>
    public string Output
    {
        get
        {
            lock (gate)
                return string.Join('\n', lines);
        }
    }

    /// <summary>Starts a program, for example <c>Governor.Director</c>. A web program listens on a free port of the
    /// loopback address unless <paramref name="environment"/> holds <c>Urls</c>.</summary>
    /// <param name="program">Name of the project under <c>src</c>.</param>
    /// <param name="environment">Variables on top of this process's own; null removes one.</param>
    /// <param name="arguments">Command line.</param>
    /// <param name="workingDirectory">Current folder of the program; the temporary folder by default.</param>
    public static GovernorProcess Start(
        string program,
        IReadOnlyDictionary<string, string?> environment,
        IEnumerable<string>? arguments = null,
        string? workingDirectory = null)
    {
        return StartDotnet(program, [Repository.ProgramPath(program), .. arguments ?? []], environment, workingDirectory);
    }

    /// <summary>Starts a program as <c>Start</c> does, but with <c>SIGINT</c> as a terminal leaves it.</summary>
    public static GovernorProcess StartInForeground(
        string program, IReadOnlyDictionary<string, string?> environment, string? workingDirectory = null) =>
        StartCommand(
            program, "env", ["--default-signal=INT", DotnetHost, Repository.ProgramPath(program)], environment, workingDirectory);

    /// <summary>Starts <c>dotnet</c> with a command line of its own, for example <c>run</c>; the rest is as in <c>Start</c>.</summary>
    /// <param name="program">What the output calls it.</param>
    /// <param name="arguments">Command line of <c>dotnet</c>.</param>
    /// <param name="environment">Variables on top of this process's own; null removes one.</param>
    /// <param name="workingDirectory">Current folder of the program; the temporary folder by default.</param>
    public static GovernorProcess StartDotnet(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?> environment,
        string? workingDirectory = null) =>
        StartCommand(program, DotnetHost, arguments, environment, workingDirectory);

    private static GovernorProcess StartCommand(
        string program, string command, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment,
        string? workingDirectory)
    {
        var start = new ProcessStartInfo(command, arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = workingDirectory ?? Path.GetTempPath(),
        };
        start.Environment["Urls"] = "http://127.0.0.1:0";
        foreach (var (key, value) in environment)
        {
            if (value is null)
                start.Environment.Remove(key);
            else
                start.Environment[key] = value;
        }

        return new GovernorProcess(program, start);
    }

    /// <summary>Waits for a line of output, an earlier one included, and returns it.</summary>
    public async Task<string> WaitForLineAsync(Func<string, bool> predicate, TimeSpan deadline)
    {
        string? found = null;
        await Eventually.TrueAsync(
            async () =>
            {
                var ended = process.HasExited; // asked before the lines are looked at: then none is missed
                if (ended)
                    await process.WaitForExitAsync(CancellationToken.None); // until the last line has been recorded
                lock (gate)
                    found = lines.Find(line => predicate(line));
                return found is not null || ended;
            },
            deadline,
            () => $"{program} writes the awaited line; it wrote:\n{Output}");
        if (found is null)
            Assert.Fail($"{program} ended with exit code {process.ExitCode} before the awaited line; it wrote:\n{Output}");
        return found;
    }

    /// <summary>Waits until a web program listens, and returns the address.</summary>
    public async Task<Uri> WaitForAddressAsync(TimeSpan deadline)
    {
        var line = await WaitForLineAsync(l => ListeningOn().IsMatch(l), deadline);
        return new Uri(ListeningOn().Match(line).Groups["address"].Value);
    }

    /// <summary>Ends it and what it has started at once, by <c>SIGKILL</c>, like a crash.</summary>
    public async Task KillAsync()
    {
        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync(CancellationToken.None);
    }

    /// <summary>Ends it at once, by <c>SIGKILL</c>, without a look at what it has started: where every moment counts.</summary>
    public void KillNow() => _ = SendSignal(process.Id, KillSignal);

    /// <summary>Stops it in its tracks, by <c>SIGSTOP</c>; its connections stay open.</summary>
    public void Freeze() => _ = SendSignal(process.Id, StopSignal);

    /// <summary>Lets it go on, by <c>SIGCONT</c>.</summary>
    public void Thaw() => _ = SendSignal(process.Id, ContinueSignal);

    /// <summary>Asks it to end, by <c>SIGTERM</c>, waits, and returns its exit code.</summary>
    public Task<int> TerminateAsync(TimeSpan deadline) => SignalAsync(TerminationSignal, deadline);

    /// <summary>Asks it to end, by <c>SIGINT</c> as Ctrl+C does, waits, and returns its exit code. Who runs these tests in the
    /// background of a shell has that signal ignored here and in whatever is started from here: see <see cref="StartInForeground"/>.</summary>
    public Task<int> InterruptAsync(TimeSpan deadline) => SignalAsync(InterruptSignal, deadline);

    /// <summary>Waits until it has ended by itself, and returns its exit code.</summary>
    public async Task<int> WaitForExitAsync(TimeSpan deadline)
    {
        await Eventually.TrueAsync(
            () => Task.FromResult(process.HasExited), deadline, () => $"{program} ends; it wrote:\n{Output}");
        await process.WaitForExitAsync(CancellationToken.None); // until the last line of output has been recorded
        return process.ExitCode;
    }

    /// <summary>Kills it if it still runs.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
            await KillAsync();
        process.Dispose();
    }

    private async Task<int> SignalAsync(int signal, TimeSpan deadline)
    {
        if (!process.HasExited && SendSignal(process.Id, signal) != 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        return await WaitForExitAsync(deadline);
    }

    private void Record(string? line)
    {
        if (line is null)
            return;
        lock (gate)
            lines.Add(line);
    }

    [GeneratedRegex(@"Now listening on: (?<address>http\S+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ListeningOn();

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int processId, int signal);
}
