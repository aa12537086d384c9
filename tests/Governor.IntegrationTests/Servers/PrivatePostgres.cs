namespace Governor.IntegrationTests;

/// <summary>A PostgreSQL of one test's own, for tests that stop it. Its address stays the same when it starts again.</summary>
internal sealed class PrivatePostgres : IAsyncDisposable
{
    private readonly ServersFolder folder = new("postgres");
    private string? connectionString;

    private PrivatePostgres()
    {
    }

    /// <summary>Connection string of its first database.</summary>
    public string ConnectionString => connectionString ?? throw new InvalidOperationException("PostgreSQL has not started yet.");

    /// <summary>Starts a new, empty one and waits until it accepts connections.</summary>
    public static async Task<PrivatePostgres> StartNewAsync()
    {
        var postgres = new PrivatePostgres();
        try
        {
            await postgres.StartAsync();
            return postgres;
        }
        catch
        {
            await postgres.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it again, with what it held, and waits until it accepts connections.</summary>
    public async Task StartAsync() => connectionString = (await folder.StartAsync())["GOVERNOR_TEST_POSTGRES"];

    /// <summary>Stops it in good order, which ends all sessions.</summary>
    public Task StopAsync() => folder.StopAsync();

    /// <summary>Stops it and removes its data.</summary>
    public ValueTask DisposeAsync() => folder.DisposeAsync();
}
