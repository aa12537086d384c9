namespace Governor.IntegrationTests.Fleet;

/// <summary>A Director in a process of its own, and its HTTP interface.</summary>
internal sealed class RunningDirector : IAsyncDisposable
{
    /// <summary>Longest wait for anything that is to happen: far more than it takes, since the machine may be busy.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private RunningDirector(GovernorProcess process, Uri address)
    {
        Process = process;
        Api = new DirectorApi(address);
    }

    /// <summary>The process.</summary>
    public GovernorProcess Process { get; }

    /// <summary>Its HTTP interface.</summary>
    public DirectorApi Api { get; }

    /// <summary>Starts one in a sandbox, and waits until it is ready.</summary>
    public static async Task<RunningDirector> StartAsync(Sandbox sandbox, params (string Key, string? Value)[] settings)
    {
        var director = await StartListeningAsync(sandbox, settings);
        try
        {
            await director.WaitUntilReadyAsync();
            return director;
        }
        catch
        {
            await director.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts one in a sandbox, and waits until it listens, whether it is ready or not.</summary>
    public static async Task<RunningDirector> StartListeningAsync(Sandbox sandbox, params (string Key, string? Value)[] settings)
    {
        var process = GovernorProcess.Start("Governor.Director", Environment(sandbox, settings));
        try
        {
            return new RunningDirector(process, await process.WaitForAddressAsync(Patience));
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>What a Director in a sandbox is told. The drift job runs once after the start and then not again, so that
    /// what a test sees was brought by the rollout itself; a test that wants it sets <c>Drift__Interval</c>.</summary>
    public static Dictionary<string, string?> Environment(Sandbox sandbox, params (string Key, string? Value)[] settings)
    {
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["ConnectionStrings__RabbitMq"] = sandbox.RabbitMq,
            ["ConnectionStrings__Director"] = sandbox.Postgres,
            ["Drift__Interval"] = "1.00:00:00",
        };
        foreach (var (key, value) in settings)
            environment[key] = value;
        return environment;
    }

    /// <summary>Waits until <c>/health/ready</c> is green.</summary>
    public async Task WaitUntilReadyAsync()
    {
        var last = "";
        await Eventually.TrueAsync(
            async () =>
            {
                (var ready, last) = await Api.ReadyAsync();
                return ready;
            },
            Patience,
            () => $"the Director is ready; it says {last}, and wrote:\n{Process.Output}");
    }

    public async ValueTask DisposeAsync()
    {
        Api.Dispose();
        await Process.DisposeAsync();
    }
}
