using Npgsql;

namespace Governor.IntegrationTests;

/// <summary>A virtual host and a database of one test's own, which are gone after it.</summary>
internal sealed class Sandbox : IAsyncDisposable
{
    private readonly BrokerAddress broker;
    private readonly string server;

    private Sandbox(string name, BrokerAddress broker, string server)
    {
        (this.broker, this.server) = (broker, server);
        Name = name;
        Management = new BrokerManagement(broker);
        RabbitMq = broker.AmqpOf(name);
        Postgres = new NpgsqlConnectionStringBuilder(server) { Database = name }.ConnectionString;
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

    /// <summary>Makes a sandbox on the shared servers, or on a broker or PostgreSQL of the test's own.</summary>
    /// <param name="broker">Another broker, for example a <see cref="PrivateBroker"/>.</param>
    /// <param name="postgres">Connection string of another PostgreSQL, for example a <see cref="PrivatePostgres"/>.</param>
    public static async Task<Sandbox> CreateAsync(BrokerAddress? broker = null, string? postgres = null)
    {
        var sandbox = new Sandbox($"governor-test-{Guid.NewGuid():N}", broker ?? TestServers.Broker,
            postgres ?? TestServers.Postgres.ConnectionString);
        try
        {
            await sandbox.ExecuteOnServerAsync($"CREATE DATABASE \"{sandbox.Name}\"");
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

    /// <summary>Runs a statement on the server, outside of the sandbox's database.</summary>
    public async Task ExecuteOnServerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection($"{server};Pooling=false");
        await connection.OpenAsync(CancellationToken.None);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }
}
