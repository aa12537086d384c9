using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Governor.Messaging.Tests;

public sealed class BusOptionsTests
{
    [Theory]
    [InlineData(null, "missing")]
    [InlineData("", "missing")]
    [InlineData("localhost:5672", "neither amqp nor amqps")]
    [InlineData("http://u:hunter2@localhost/", "neither amqp nor amqps")]
    [InlineData("amqp://localhost/", "no user and password")]
    [InlineData("amqp://u@localhost/", "no user and password")]
    [InlineData("amqp://u:hunter2@localhost/a/b", "slash")]
    [InlineData("amqp://u:hunter2#x@localhost/", "percent-encode")]
    [InlineData("amqp://u:hunter2@localhost/?heartbeat=3", "query")]
    public async Task Given_no_usable_address_When_the_process_starts_Then_it_stops_with_one_line_that_names_the_key_but_no_password(
        string? address, string because)
    {
        var exception = await Assert.ThrowsAsync<OptionsValidationException>(() =>
            StartAsync(new() { ["ConnectionStrings:RabbitMq"] = address }));

        Assert.StartsWith("ConnectionStrings__RabbitMq is ", exception.Message, StringComparison.Ordinal);
        Assert.Contains(because, exception.Message, StringComparison.Ordinal);
        Assert.Contains("amqp://user:password@localhost:5672/vhost", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Fact]
    public async Task Given_an_unknown_queue_type_When_the_process_starts_Then_it_stops_with_the_values_there_are()
    {
        var exception = await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(new()
        {
            ["ConnectionStrings:RabbitMq"] = "amqp://u:p@localhost/",
            ["RabbitMq:QueueType"] = "stream",
        }));

        Assert.Equal("RabbitMq__QueueType is 'stream'; set it to classic (the default) or quorum.", exception.Message);
    }

    [Fact]
    public async Task Given_an_unknown_transport_When_the_bus_is_added_Then_it_says_which_there_are()
    {
        var exception = await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(new() { ["Bus:Transport"] = "kafka" }));

        Assert.Equal("Bus__Transport is 'kafka'; set it to RabbitMq (the default) or InMemory.", exception.Message);
    }

    [Theory]
    [InlineData("amqp://u:p@host", "host", 5672, "/", "u", "p", false)]
    [InlineData("amqp://u:p@host:1234/", "host", 1234, "/", "u", "p", false)]
    [InlineData("amqps://u:p@host/%2F", "host", 5671, "/", "u", "p", true)]
    [InlineData("amqp://a%40b:p%3A%2F%23%25@10.0.0.1:5673/my%20host%2Fx", "10.0.0.1", 5673, "my host/x", "a@b", "p:/#%", false)]
    [InlineData("amqp://u:@host/vh", "host", 5672, "vh", "u", "", false)]
    public void Given_an_address_When_it_is_read_Then_its_parts_are_decoded(
        string text, string host, int port, string virtualHost, string user, string password, bool tls)
    {
        var address = RabbitMqAddress.Parse(text, out _)!;

        Assert.Equal(
            (host, port, virtualHost, user, password, tls),
            (address.Host, address.Port, address.VirtualHost, address.UserName, address.Password, address.UseTls));
    }

    [Fact]
    public async Task Given_a_broker_that_is_down_When_the_process_starts_Then_it_starts_and_the_bus_is_unhealthy()
    {
        using var host = await StartAsync(new() { ["ConnectionStrings:RabbitMq"] = "amqp://guest:guest@127.0.0.1:1/" });

        var report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(TestContext.Current.CancellationToken);

        Assert.Equal(HealthStatus.Unhealthy, Assert.Single(report.Entries, e => e.Key.StartsWith("masstransit", StringComparison.Ordinal)).Value.Status);
        await host.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Given_any_bus_When_it_runs_Then_it_tells_nobody_how_it_is_used()
    {
        await using var host = await BusHost.StartInMemoryAsync(_ => { });

        Assert.False(host.Services.GetRequiredService<IOptions<UsageTelemetryOptions>>().Value.Enabled);
    }

    [Theory]
    [InlineData("runtime-1", true)]
    [InlineData("0", true)]
    [InlineData("", false)]
    [InlineData("UPPER", false)]
    [InlineData("a.b", false)]
    [InlineData("a\n", false)]
    public void Given_a_runtime_id_When_its_queue_is_named_Then_only_a_DNS_label_will_do(string runtimeId, bool valid)
    {
        if (valid)
            Assert.Equal($"runtime-{runtimeId}", RuntimeQueue.NameOf(runtimeId));
        else
            Assert.Throws<ArgumentException>(() => RuntimeQueue.NameOf(runtimeId));
    }

    private static async Task<IHost> StartAsync(Dictionary<string, string?> settings)
    {
        LogContext.Current = null;
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Services.AddGovernorBus(builder.Configuration, bus => bus.OwnTopology());
        var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        return host;
    }
}
