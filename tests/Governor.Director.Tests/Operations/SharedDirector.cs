using Governor.Director.Tests.Hosting;

namespace Governor.Director.Tests.Operations;

/// <summary>One Director for a whole class of tests that change nothing, with one runtime and one configuration.</summary>
public sealed class SharedDirector : IAsyncLifetime
{
    private DirectorHost? host;

    internal DirectorHost Host => host!;

    internal string RolloutId { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        host = await DirectorHost.StartAsync();
        await Host.GivenRuntimesAsync("eu-1");
        RolloutId = await Host.GivenRolledOutAsync("cache", Change.To("redis-a"));
    }

    public async ValueTask DisposeAsync()
    {
        if (host is not null)
            await host.DisposeAsync();
    }
}
