using Npgsql;
using RabbitMQ.Client;

namespace Governor.IntegrationTests;

public sealed class ServersTests
{
    [Fact]
    public async Task Given_a_sandbox_in_use_When_it_is_disposed_Then_its_virtual_host_and_database_are_gone()
    {
        var sandbox = await Sandbox.CreateAsync();
        await using var broker = await new ConnectionFactory { Uri = new Uri(sandbox.RabbitMq), AutomaticRecoveryEnabled = false }
            .CreateConnectionAsync(TestContext.Current.CancellationToken);
        await using var database = new NpgsqlConnection(sandbox.Postgres);
        await database.OpenAsync(TestContext.Current.CancellationToken);

        await sandbox.DisposeAsync();

        using var management = new BrokerManagement(TestServers.Broker);
        Assert.DoesNotContain(sandbox.Name, await management.VirtualHostsAsync());
        await Eventually.TrueAsync(() => !broker.IsOpen, TimeSpan.FromSeconds(10), "the broker closes the connection");
        await using var another = new NpgsqlConnection(sandbox.Postgres);
        var refusal = await Assert.ThrowsAsync<PostgresException>(() => another.OpenAsync(TestContext.Current.CancellationToken));
        Assert.Equal(PostgresErrorCodes.InvalidCatalogName, refusal.SqlState);
    }

    [Fact]
    public async Task Given_a_private_broker_When_it_stops_or_dies_and_starts_again_Then_it_holds_what_it_held_at_the_same_address()
    {
        await using var broker = await PrivateBroker.StartNewAsync();
        var address = broker.Address;
        Assert.NotEqual(TestServers.Broker.Amqp, address.Amqp);
        using var management = new BrokerManagement(address);
        await management.CreateVirtualHostAsync("kept");

        await broker.StopAsync();
        await Assert.ThrowsAsync<HttpRequestException>(management.VirtualHostsAsync);
        await broker.StartAsync();
        Assert.Equal(address, broker.Address);
        Assert.Contains("kept", await management.VirtualHostsAsync());

        await broker.KillAsync();
        await Assert.ThrowsAsync<HttpRequestException>(management.VirtualHostsAsync);
        await broker.StartAsync();
        Assert.Equal(address, broker.Address);
        Assert.Contains("kept", await management.VirtualHostsAsync());
    }
}
