using Governor.Contracts;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Messaging.Tests;

public sealed class RuntimeProvisionerTests(RabbitMqServer server) : IClassFixture<RabbitMqServer>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Given_a_thousand_runtimes_When_they_are_provisioned_twice_Then_each_has_its_queue_and_its_three_bindings()
    {
        await using var director = await StartDirectorAsync();
        var runtimeIds = Enumerable.Range(1, 1000).Select(i => $"bulk-{i}").ToList();

        await Provisioner(director).ProvisionAsync(runtimeIds, Token);
        await Provisioner(director).ProvisionAsync(runtimeIds, Token);

        // Done means done: whatever is published now finds its queue.
        await Task.WhenAll(runtimeIds.Select(id => director.Bus.Publish(Samples.Update(id), Token)));
        await using var connection = await server.ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Token);
        foreach (var id in runtimeIds)
            Assert.Equal(1u, (await channel.QueueDeclarePassiveAsync($"runtime-{id}", Token)).MessageCount);
        var bindings = (await server.ListAsync("bindings"))
            .Where(it => it.GetProperty("destination").GetString() is { } queue && queue.StartsWith("runtime-bulk-", StringComparison.Ordinal))
            .Where(it => it.GetProperty("source").GetString() is { Length: > 0 }).ToList();
        Assert.Equal(3000, bindings.Count);
        Assert.All(bindings, it => Assert.Equal(it.GetProperty("destination").GetString(), $"runtime-{it.GetProperty("routing_key").GetString()}"));
    }

    [Fact]
    public async Task Given_two_queues_with_other_arguments_When_the_runtimes_are_provisioned_Then_the_others_are_made_and_those_two_are_named()
    {
        await using var director = await StartDirectorAsync();
        await using var connection = await server.ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Token);
        foreach (var queue in new[] { "runtime-mixed-3", "runtime-mixed-17" })
            await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, cancellationToken: Token);
        var runtimeIds = Enumerable.Range(1, 20).Select(i => $"mixed-{i}").ToList();

        var exception = await Assert.ThrowsAsync<RuntimeProvisioningException>(() => Provisioner(director).ProvisionAsync(runtimeIds, Token));

        Assert.Equal(["mixed-17", "mixed-3"], exception.Refused.Keys.Order(StringComparer.Ordinal));
        Assert.Contains("runtime-mixed-17, runtime-mixed-3", exception.Message, StringComparison.Ordinal);
        Assert.Contains("Delete these queues", exception.Message, StringComparison.Ordinal);
        var bound = (await server.ListAsync("bindings")).Where(it => it.GetProperty("source").GetString() == "governor.configuration-updated")
            .Select(it => it.GetProperty("routing_key").GetString()).Where(key => key!.StartsWith("mixed-", StringComparison.Ordinal));
        Assert.Equal(18, bound.Count());
    }

    [Fact]
    public async Task Given_a_queue_that_an_Agent_made_again_unbound_When_the_runtime_is_provisioned_Then_it_is_bound()
    {
        var updates = new Inbox<ConfigurationUpdated>();
        await using var director = await StartDirectorAsync();
        await using var agent = await BusHost.StartAsync(server.Settings, bus =>
            bus.Endpoints((context, cfg) => cfg.RuntimeEndpoint(context, "early", updates.On)));

        await Provisioner(director).ProvisionAsync(["early"], Token);

        await director.Bus.Publish(Samples.Update("early", 9), Token);
        await updates.UntilAsync(m => m.Generation == 9);
    }

    [Fact]
    public async Task Given_a_virgin_broker_When_a_runtime_is_provisioned_before_the_bus_has_declared_anything_Then_both_agree()
    {
        await using var own = new RabbitMqServer();
        await own.InitializeAsync();
        var services = new ServiceCollection();
        services.AddGovernorBus(new ConfigurationBuilder().AddInMemoryCollection(own.Settings).Build(), bus => bus.OwnTopology());
        await using (var unstarted = services.BuildServiceProvider())
            await unstarted.GetRequiredService<IRuntimeProvisioner>().ProvisionAsync(["first"], Token);

        await using var director = await BusHost.StartAsync(own.Settings, bus => bus.OwnTopology());

        await director.Bus.Publish(Samples.Update("first"), Token);
        await using var connection = await own.ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Token);
        Assert.Equal(1u, (await channel.QueueDeclarePassiveAsync("runtime-first", Token)).MessageCount);
    }

    [Fact]
    public async Task Given_a_deprovisioned_runtime_When_a_message_for_it_is_published_Then_it_is_undeliverable_and_not_swallowed()
    {
        await using var director = await StartDirectorAsync();
        await Provisioner(director).ProvisionAsync(["leaver"], Token);
        await using (await BusHost.StartAsync(server.Settings, bus => bus.Endpoints((context, cfg) =>
            cfg.RuntimeEndpoint(context, "leaver", new Inbox<ConfigurationUpdated>().On))))
        {
            Assert.NotNull(await server.FindAsync("exchanges", "runtime-leaver"));
        }

        await Provisioner(director).DeprovisionAsync("leaver", Token);
        await Provisioner(director).DeprovisionAsync("leaver", Token);

        await director.Bus.Publish(Samples.Update("leaver"), Token);
        Assert.Null(await server.FindAsync("exchanges", "runtime-leaver"));
        Assert.Null(await server.FindAsync("queues", "runtime-leaver"));
        await using var connection = await server.ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Token);
        Assert.NotEqual(0u, (await channel.QueueDeclarePassiveAsync(Topology.Undeliverable, Token)).MessageCount);
    }

    [Fact]
    public async Task Given_a_connection_that_the_broker_closed_When_a_runtime_is_provisioned_Then_a_new_connection_does_it()
    {
        await using var director = await StartDirectorAsync();
        await Provisioner(director).ProvisionAsync(["before"], Token);

        await server.CloseConnectionsAsync(name => name.EndsWith("provisioning", StringComparison.Ordinal));

        await Poll.UntilAsync(async () =>
        {
            try
            {
                await Provisioner(director).ProvisionAsync(["after"], Token);
                return true;
            }
            catch (RabbitMQ.Client.Exceptions.OperationInterruptedException)
            {
                return false; // the close is on its way
            }
        }, () => "the connection stays closed");
        Assert.NotNull(await server.FindAsync("queues", "runtime-after"));
    }

    private Task<BusHost> StartDirectorAsync() => BusHost.StartAsync(server.Settings, bus => bus.OwnTopology());

    private static IRuntimeProvisioner Provisioner(BusHost director) => director.Services.GetRequiredService<IRuntimeProvisioner>();
}
