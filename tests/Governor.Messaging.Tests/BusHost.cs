using MassTransit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Governor.Messaging.Tests;

/// <summary>A process with a Governor bus, as Director or Agent would be one.</summary>
internal sealed class BusHost : IAsyncDisposable
{
    private readonly IHost _host;

    private BusHost(IHost host) => _host = host;

    public IServiceProvider Services => _host.Services;

    public IBus Bus => Services.GetRequiredService<IBus>();

    public static async Task<BusHost> StartAsync(IReadOnlyDictionary<string, string?> settings, Action<GovernorBusBuilder> build)
    {
        LogContext.Current = null; // MassTransit keeps the logger of the process's first host, also when that is disposed

        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Services.AddGovernorBus(builder.Configuration, build);
        var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        var started = new BusHost(host);
        await started.UntilHealthyAsync();
        return started;
    }

    public static Task<BusHost> StartInMemoryAsync(Action<GovernorBusBuilder> build) =>
        StartAsync(new Dictionary<string, string?> { [GovernorBus.TransportKey] = "InMemory" }, build);

    public async Task<BusHealthStatus> UntilHealthyAsync() =>
        await Services.GetRequiredService<IBusControl>().WaitForHealthStatus(BusHealthStatus.Healthy, TimeSpan.FromSeconds(30)) is var status
            && status == BusHealthStatus.Healthy ? status : throw new InvalidOperationException($"The bus is {status}.");

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        if (_host is IAsyncDisposable disposable)
            await disposable.DisposeAsync();
        LogContext.Current = null;
    }
}
