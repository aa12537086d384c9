namespace Governor.IntegrationTests;

/// <summary>A broker of one test's own, for tests that stop it. Its address stays the same when it starts again.</summary>
internal sealed class PrivateBroker : IAsyncDisposable
{
    private readonly ServersFolder folder = new("rabbitmq");
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
        var exports = await folder.StartAsync();
        address = new BrokerAddress(new Uri(exports["GOVERNOR_TEST_RABBITMQ"]), new Uri(exports["GOVERNOR_TEST_RABBITMQ_MANAGEMENT"]));
    }

    /// <summary>Stops it in good order.</summary>
    public Task StopAsync() => folder.StopAsync();

    /// <summary>Ends it like a power cut, by <c>SIGKILL</c>.</summary>
    public Task KillAsync() => folder.KillAsync();

    /// <summary>Stops it and removes its data.</summary>
    public ValueTask DisposeAsync() => folder.DisposeAsync();
}
