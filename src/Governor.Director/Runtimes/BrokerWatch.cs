using System.Threading.Channels;
using MassTransit;

namespace Governor.Director.Runtimes;

/// <summary>Looks for the broker's mark whenever the provisioning queue is connected: at the start, and after each
/// reconnection.</summary>
internal sealed partial class BrokerWatch(IServiceScopeFactory scopes, TimeProvider clock, ILogger<BrokerWatch> logger)
    : BackgroundService, IReceiveEndpointObserver
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly Channel<bool> connected = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public Task Ready(ReceiveEndpointReady ready)
    {
        if (ready.InputAddress.AbsolutePath.EndsWith($"/{ProvisionRuntimesConsumer.Queue}", StringComparison.Ordinal))
            connected.Writer.TryWrite(true);
        return Task.CompletedTask;
    }

    public Task Stopping(ReceiveEndpointStopping stopping) => Task.CompletedTask;

    public Task Completed(ReceiveEndpointCompleted completed) => Task.CompletedTask;

    public Task Faulted(ReceiveEndpointFaulted faulted) => Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var _ in connected.Reader.ReadAllAsync(stoppingToken))
        {
            while (!await TryCheckAsync(stoppingToken))
                await Task.Delay(RetryAfter, clock, stoppingToken);
        }
    }

    private async Task<bool> TryCheckAsync(CancellationToken stoppingToken)
    {
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            await scope.ServiceProvider.GetRequiredService<BrokerMark>().CheckAsync(stoppingToken);
            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(e.GetType().Name, e.Message);
            return false;
        }
    }

    [LoggerMessage(2308, LogLevel.Warning, "The look for the broker's mark failed ({Exception}: {Message}); it is repeated each second")]
    private partial void LogFailed(string exception, string message);
}
