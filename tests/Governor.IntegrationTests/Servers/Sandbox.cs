using Npgsql;

namespace Governor.IntegrationTests;

/// <summary>A virtual host and a database of one test's own, which are gone after it.</summary>
internal sealed class Sandbox : IAsyncDisposable
{
    private readonly BrokerAddress broker;

    private Sandbox(string name, BrokerAddress broker)
    {
        this.broker = broker;
        Name = name;
        Management = new BrokerManagement(broker);
        RabbitMq = broker.AmqpOf(name);
        var postgres = TestServers.Postgres;
        postgres.Database = name;
        Postgres = postgres.ConnectionString;
    }

    /// <summary>Name of the virtual host and of the database.</summary>
    public string Name { get; }

    /// <summary>AMQP address of the virtual host, as <c>ConnectionStrings__RabbitMq</c> takes it.</summary>
    public string RabbitMq { get; }

    /// <summary>Address of the broker's management interface.</summary>
    public Uri ManagementUrl => broker.Management;

    /// <summary>Connection string of the database, as <c>ConnectionStrings__Director</c> takes it.</summary>
    public string Postgres { get; }

    /// <summary>The broker's management API; pass <see cref="Name"/> as the virtual host.</summary>
    public BrokerManagement Management { get; }

    /// <summary>Makes a sandbox on the shared servers.</summary>
    public static Task<Sandbox> CreateAsync() => CreateAsync(TestServers.Broker);

    /// <summary>Makes a sandbox whose virtual host lies on another broker, for example a <see cref="PrivateBroker"/>.</summary>
    public static async Task<Sandbox> CreateAsync(BrokerAddress broker)
    {
        var sandbox = new Sandbox($"governor-test-{Guid.NewGuid():N}", broker);
        try
        {
            await ExecuteOnServerAsync($"CREATE DATABASE \"{sandbox.Name}\"");
            await sandbox.Management.CreateVirtualHostAsync(sandbox.Name);
            return sandbox;
        }
        catch
        {
            await sandbox.DisposeAsync();
            throw;
        }
    }

    /// <summary>Removes both, and ends whatever is still connected to them.</summary>
    public async ValueTask DisposeAsync()
    {
        await ExecuteOnServerAsync($"DROP DATABASE IF EXISTS \"{Name}\" WITH (FORCE)");
        try
        {
            await Management.DeleteVirtualHostAsync(Name);
        }
        catch (HttpRequestException e) when (e.StatusCode is null && broker != TestServers.Broker)
        {
            // The test has left its private broker stopped, or disposed it: its data goes with its folder.
        }

        Management.Dispose();
    }

    private static async Task ExecuteOnServerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(TestServers.Postgres.ConnectionString);
        await connection.OpenAsync(CancellationToken.None);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }
}
