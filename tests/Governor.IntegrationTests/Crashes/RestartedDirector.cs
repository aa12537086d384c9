using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Crashes;

/// <summary>A Director that a test kills and starts again; the one that runs when the test ends is ended with it.</summary>
internal sealed class RestartedDirector : IAsyncDisposable
{
    private readonly Sandbox sandbox;
    private RunningDirector running;

    private RestartedDirector(Sandbox sandbox, RunningDirector running) => (this.sandbox, this.running) = (sandbox, running);

    /// <summary>The HTTP interface of the one that runs.</summary>
    public DirectorApi Api => running.Api;

    public static async Task<RestartedDirector> StartAsync(Sandbox sandbox, params (string Key, string? Value)[] settings) =>
        new(sandbox, await RunningDirector.StartAsync(sandbox, settings));

    /// <summary>Ends it by <c>SIGKILL</c>.</summary>
    public Task KillAsync() => running.Process.KillAsync();

    /// <summary>Starts another in its place.</summary>
    public async Task StartAgainAsync(params (string Key, string? Value)[] settings)
    {
        await running.DisposeAsync();
        running = await RunningDirector.StartAsync(sandbox, settings);
    }

    public ValueTask DisposeAsync() => running.DisposeAsync();
}
