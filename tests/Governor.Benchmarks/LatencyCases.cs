using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using MassTransit;

namespace Governor.Benchmarks;

/// <summary>
/// One message at a time from another process: from the return of its SaveChanges, or the call of a direct publish, to the consumer's
/// entry here. Both processes read the same monotonic clock.
/// </summary>
internal sealed class LatencyCases : CaseGroup
{
    public const string Queue = "latency";

    private const int Samples = 120;

    private readonly Servers _servers;
    private readonly ConcurrentDictionary<Guid, TaskCompletionSource<long>> _entered = new();
    private readonly Dictionary<string, double[]> _last = new(StringComparer.Ordinal);
    private BenchmarkHost _host = null!;
    private Process _writer = null!;

    public LatencyCases(Servers servers)
    {
        _servers = servers;
        Cases =
        [
            new("publish-p50", "ms", ct => MeasureAsync("direct", 0.5, ct), Orientation: "1.5–2.4"),
            new("latency-idle-p50", "ms", ct => MeasureAsync("outbox", 0.5, ct), "publish-p50", 4, "≤ 10"),
            new("publish-p99", "ms", ct => MeasureAsync("direct", 0.99, ct), Orientation: "7–11"),
            new("latency-idle-p99", "ms", ct => MeasureAsync("outbox", 0.99, ct), "publish-p99", 4),
        ];
    }

    public override IReadOnlyList<Case> Cases { get; }

    public override async Task PrepareAsync()
    {
        await Backlog.ExecuteAsync(_servers, "TRUNCATE \"OutboxMessage\", \"OutboxState\"");
        _host = await BenchmarkHost.StartAsync(_servers, configure: (_, bus) => bus.ReceiveEndpoint(Queue, endpoint =>
            endpoint.Handler<Payload>(context =>
            {
                var now = Stopwatch.GetTimestamp();
                Entry(context.Message.Id).TrySetResult(now);
                return Task.CompletedTask;
            })));
        var command = Environment.GetCommandLineArgs()[0];
        _writer = Process.Start(new ProcessStartInfo("dotnet", [command, "latency-writer"])
        {
            RedirectStandardInput = true, UseShellExecute = false, RedirectStandardOutput = true,
        })!;
        if (await _writer.StandardOutput.ReadLineAsync() is not "ready")
            throw new InvalidOperationException("The writer's process did not start.");
    }

    public override async ValueTask DisposeAsync()
    {
        if (_writer is not null)
        {
            _writer.StandardInput.Close();
            await _writer.WaitForExitAsync();
            _writer.Dispose();
        }

        if (_host is not null)
            await _host.DisposeAsync();
    }

    /// <summary>The p50 cases measure; the p99 cases that follow look at the same samples.</summary>
    private async Task<double> MeasureAsync(string way, double percentile, CancellationToken cancellationToken)
    {
        if (percentile == 0.5)
        {
            var samples = new List<double>();
            for (var i = 0; i < Samples; i++)
            {
                await Task.Delay(Random.Shared.Next(20, 60), cancellationToken);
                samples.Add(await SampleAsync(way, cancellationToken));
            }

            _last[way] = [.. samples.Order()];
        }

        var sorted = _last[way];
        return sorted[(int)Math.Ceiling(percentile * sorted.Length) - 1];
    }

    private async Task<double> SampleAsync(string way, CancellationToken cancellationToken)
    {
        var id = Guid.NewGuid();
        await _writer.StandardInput.WriteLineAsync($"{way} {id}".AsMemory(), cancellationToken);
        await _writer.StandardInput.FlushAsync(cancellationToken);
        var line = await _writer.StandardOutput.ReadLineAsync(cancellationToken)
            ?? throw new InvalidOperationException("The writer's process has ended.");
        var left = long.Parse(line, CultureInfo.InvariantCulture);
        var entered = await Entry(id).Task.WaitAsync(TimeSpan.FromMinutes(1), cancellationToken);
        _entered.TryRemove(id, out _);
        return Math.Max(0, Stopwatch.GetElapsedTime(left, entered).TotalMilliseconds);
    }

    private TaskCompletionSource<long> Entry(Guid id) =>
        _entered.GetOrAdd(id, _ => new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously));
}

/// <summary>The other process: does not deliver its outbox itself.</summary>
internal static class LatencyWriter
{
    public static async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var host = await BenchmarkHost.StartAsync(Servers.OfParent(), delivers: false);
        var address = new Uri($"queue:{LatencyCases.Queue}");
        var endpoint = await host.Bus.GetSendEndpoint(address);
        Console.WriteLine("ready");
        while (await Console.In.ReadLineAsync(cancellationToken) is { } line)
        {
            var parts = line.Split(' ');
            var id = Guid.Parse(parts[1]);
            long left;
            if (parts[0] == "direct")
            {
                left = Stopwatch.GetTimestamp();
                await endpoint.Send(new Payload(id, Payload.Body), cancellationToken);
            }
            else
            {
                await host.SendThroughOutboxAsync(address, id);
                left = Stopwatch.GetTimestamp();
            }

            Console.WriteLine(left.ToString(CultureInfo.InvariantCulture));
        }

        return 0;
    }
}
