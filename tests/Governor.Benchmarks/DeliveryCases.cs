using System.Diagnostics;

namespace Governor.Benchmarks;

/// <summary>How fast waiting outboxes are delivered: from the commit that wakes the delivery to the last confirm.</summary>
internal sealed class DeliveryCases : CaseGroup
{
    private const int Small = 5_000;
    private const int Large = 20_000;

    private readonly Servers _servers;
    private BenchmarkHost _host = null!;

    public DeliveryCases(Servers servers)
    {
        _servers = servers;
        Cases =
        [
            new("raw-publish", "/s", ct => Baselines.RawPublishAsync(servers, Small, ct), Orientation: "6,000–9,400"),
            new("send-5000", "/s", ct => SendAsync(Small, ct), Orientation: "5,000–6,000"),
            new("send-20000", "/s", ct => SendAsync(Large, ct), Orientation: "5,000–6,000"),
            new("send-awaited", "/s", ct => Baselines.SendAwaitedAsync(_host, Backlog.Sink, 1_000, ct), Orientation: "800–900"),
            new("deliver-5000x1", "/s", ct => DeliverAsync(Small, 1, ct), "send-5000", 0.75, "≥ 4,000"),
            new("deliver-20x1000", "/s", ct => DeliverAsync(Large / 1_000, 1_000, ct), "send-20000", 0.85, "≥ 4,500"),
        ];
    }

    public override IReadOnlyList<Case> Cases { get; }

    public override async Task PrepareAsync()
    {
        await Backlog.CaptureAsync(_servers);
        _host = await BenchmarkHost.StartAsync(_servers);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_host is not null)
            await _host.DisposeAsync();
    }

    /// <summary>Delivers what <see cref="Backlog.FillAsync"/> made, woken by a message of its own.</summary>
    public static async Task<double> DeliverAsync(BenchmarkHost host, int count)
    {
        var reached = host.Confirmed.CountTo(count);
        var started = Stopwatch.GetTimestamp();
        await host.SendThroughOutboxAsync(Backlog.Sink, Guid.NewGuid());
        return Baselines.Rate(count, Stopwatch.GetElapsedTime(started, await reached.WaitAsync(Tally.Patience)));
    }

    private async Task<double> DeliverAsync(int outboxes, int messages, CancellationToken cancellationToken)
    {
        await PurgeAsync(cancellationToken);
        await Backlog.FillAsync(_servers, outboxes, messages, cancellationToken);
        var rate = await DeliverAsync(_host, (outboxes * messages) + 1);
        await _host.DrainAsync(cancellationToken);
        return rate;
    }

    private async Task<double> SendAsync(int count, CancellationToken cancellationToken)
    {
        await PurgeAsync(cancellationToken);
        return await Baselines.SendAsync(_host, Backlog.Sink, count, cancellationToken);
    }

    private async Task PurgeAsync(CancellationToken cancellationToken) => await Queues.PurgeAsync(_servers, "sink", cancellationToken);
}
