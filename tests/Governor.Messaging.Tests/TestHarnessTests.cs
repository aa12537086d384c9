using Governor.Contracts;
using MassTransit;
using MassTransit.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Messaging.Tests;

/// <summary>A service's own registration runs under MassTransit's test harness as it is.</summary>
public sealed class TestHarnessTests
{
    [Fact]
    public async Task Given_a_bus_under_the_test_harness_When_a_message_is_published_Then_the_harness_sees_what_our_endpoints_consume_and_give_up()
    {
        LogContext.Current = null;
        var services = new ServiceCollection();
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new(GovernorBus.TransportKey, "InMemory")]).Build();
        services.AddGovernorBus(configuration, bus =>
        {
            bus.UseTestHarness();
            bus.Register(mass => mass.SetTestTimeouts(testInactivityTimeout: TimeSpan.FromSeconds(30))); // nothing here waits for it in vain
            bus.OwnTopology();
            bus.Endpoints((context, cfg) => cfg.RuntimeEndpoint(context, "a", endpoint =>
                endpoint.Handler<ConfigurationUpdated>(_ => throw new IOException("disk full"))));
        });
        await using var provider = services.BuildServiceProvider();
        var harness = await provider.StartTestHarness();

        await harness.Bus.Publish(Samples.Update("a"));

        Assert.True(await harness.Consumed.Any<ConfigurationUpdated>(m => m.Context.Message.RuntimeId == "a"));
        Assert.True(await harness.Published.Any<DeadLettered>(m => m.Context.Message.Reason == "disk full"));
    }
}
