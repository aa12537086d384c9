namespace Governor.IntegrationTests.Fleet;

/// <summary>A sandbox with one Director, shared by the tests of a class; their runtimes and configurations have names of
/// their own.</summary>
public sealed class DirectorFixture : IAsyncLifetime
{
    private Sandbox? sandbox;
    private RunningDirector? director;

    internal Sandbox Sandbox => sandbox!;

    internal DirectorApi Api => director!.Api;

    public async ValueTask InitializeAsync()
    {
        sandbox = await Sandbox.CreateAsync();
        director = await RunningDirector.StartAsync(sandbox);
    }

    public async ValueTask DisposeAsync()
    {
        if (director is not null)
            await director.DisposeAsync();
        if (sandbox is not null)
            await sandbox.DisposeAsync();
    }
}
