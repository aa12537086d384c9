namespace Governor.Benchmarks;

/// <summary>Whether a long backlog slows delivery down: the first 50,000 deliveries of 1,000,000 waiting rows, against ten times 5,000.</summary>
internal sealed class BacklogCases : CaseGroup
{
    private const int Short = 5_000;
    private const int Long = 1_000_000;
    private const int First = 50_000;

    private readonly Servers _servers;

    public BacklogCases(Servers servers)
    {
        _servers = servers;
        Cases =
        [
            new("deliver-5000", "/s", ct => DeliverAsync(Short, Short, First / Short, ct)),
            new("backlog", "/s", ct => DeliverAsync(Long, First, 1, ct), "deliver-5000", 0.8),
        ];
    }

    public override IReadOnlyList<Case> Cases { get; }

    public override Task PrepareAsync() => Backlog.CaptureAsync(_servers);

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    // The queue grows to the same length in both cases: that slows the broker.
    private async Task<double> DeliverAsync(int waiting, int count, int times, CancellationToken cancellationToken)
    {
        await Queues.PurgeAsync(_servers, "sink", cancellationToken);
        await using var host = await BenchmarkHost.StartAsync(_servers);
        var elapsed = TimeSpan.Zero;
        for (var i = 0; i < times; i++)
        {
            await Backlog.FillAsync(_servers, waiting, 1, cancellationToken);
            elapsed += count / await DeliveryCases.DeliverAsync(host, count) * TimeSpan.FromSeconds(1);
            if (i < times - 1)
                await host.DrainAsync(cancellationToken); // What was confirmed is still to be deleted.
        }

        return Baselines.Rate(count * times, elapsed);
    }
}
