using System.Diagnostics;

namespace Governor.Benchmarks;

/// <summary>Writers that each commit one message after the other: from the first transaction to the last confirm.</summary>
internal sealed class EndToEndCases : CaseGroup
{
    private readonly Servers _servers;
    private BenchmarkHost _host = null!;

    public EndToEndCases(Servers servers)
    {
        _servers = servers;
        Cases =
        [
            new("insert-1", "/s", ct => Baselines.InsertAsync(servers, 1, 6_000, ct), Orientation: "2,466"),
            new("end-to-end-1", "/s", ct => RunAsync(1, 5_000, ct), "insert-1", 0.4, "≥ 1,000"),
            new("insert-8", "/s", ct => Baselines.InsertAsync(servers, 8, 30_000, ct), Orientation: "4,745"),
            new("end-to-end-8", "/s", ct => RunAsync(8, 15_000, ct), "insert-8", 0.4, "≥ 2,000"),
        ];
    }

    public override IReadOnlyList<Case> Cases { get; }

    public override async Task PrepareAsync()
    {
        await Backlog.ExecuteAsync(_servers, "TRUNCATE \"OutboxMessage\", \"OutboxState\"");
        _host = await BenchmarkHost.StartAsync(_servers);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_host is not null)
            await _host.DisposeAsync();
    }

    private async Task<double> RunAsync(int writers, int count, CancellationToken cancellationToken)
    {
        await Queues.PurgeAsync(_servers, "sink", cancellationToken);
        var reached = _host.Confirmed.CountTo(count);
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, writers).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < count / writers; i++)
                await _host.SendThroughOutboxAsync(Backlog.Sink, Guid.NewGuid());
        }, cancellationToken)));
        var rate = Baselines.Rate(count, Stopwatch.GetElapsedTime(started, await reached.WaitAsync(Tally.Patience, cancellationToken)));
        await _host.DrainAsync(cancellationToken);
        return rate;
    }
}
