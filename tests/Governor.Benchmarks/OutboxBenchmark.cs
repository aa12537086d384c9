using System.Diagnostics;

namespace Governor.Benchmarks;

/// <summary>The benchmark <c>outbox</c>: groups of cases, each with its baselines, whose runs alternate.</summary>
internal static class OutboxBenchmark
{
    public static async Task<int> RunAsync(int runs, string[] only, bool json, CancellationToken cancellationToken)
    {
        var results = new List<Measured>();
        try
        {
            await using var servers = await Servers.OpenAsync(cancellationToken);
            await BenchmarkHost.CreateTablesAsync(servers, cancellationToken);
            CaseGroup[] groups =
            [
                new DeliveryCases(servers), new EndToEndCases(servers), new LatencyCases(servers), new ConsumerCases(servers),
                new SagaCases(servers), new BacklogCases(servers),
            ];
            var known = groups.SelectMany(group => group.Cases.Select(c => c.Name)).ToArray();
            if (only.Except(known).ToArray() is { Length: > 0 } unknown)
                throw new InvalidOperationException($"There is no case {string.Join(", ", unknown)}; there are: {string.Join(", ", known)}.");
            foreach (var group in groups)
            {
                await using var measured = group;
                if (only.Length == 0 || group.Cases.Any(c => only.Contains(c.Name)))
                    results.AddRange(await MeasureAsync(group, runs, cancellationToken));
            }

            return 0;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            Console.Error.WriteLine($"The benchmark failed: {exception}");
            return 1;
        }
        finally
        {
            // Also what was measured before a failure.
            if (results.Count > 0)
                (json ? (Action<IEnumerable<Measured>>)Report.WriteJson : Report.WriteTable)(results);
            Report.WriteDoubts(results);
        }
    }

    private static async Task<List<Measured>> MeasureAsync(CaseGroup group, int runs, CancellationToken cancellationToken)
    {
        await group.PrepareAsync();
        var values = group.Cases.ToDictionary(c => c.Name, _ => new List<double>());
        for (var run = 0; run <= runs; run++)
            foreach (var @case in group.Cases)
            {
                var started = Stopwatch.StartNew();
                var value = await @case.RunAsync(cancellationToken);
                Console.Error.WriteLine($"{@case.Name} {(run == 0 ? "warm-up" : $"run {run} of {runs}")}: "
                    + $"{Report.Number(value)} {@case.Unit} ({started.Elapsed.TotalSeconds:0.0} s)");
                if (run > 0)
                    values[@case.Name].Add(value);
            }

        double? Median(string? name) => name is null ? null : new Measured(null!, values[name], null).Median;
        return [.. group.Cases.Select(c => new Measured(c, values[c.Name], Median(c.Baseline)))];
    }
}

/// <summary>Cases that are measured in turn, and what they run on.</summary>
internal abstract class CaseGroup : IAsyncDisposable
{
    public abstract IReadOnlyList<Case> Cases { get; }

    /// <summary>Starts what the cases need.</summary>
    public abstract Task PrepareAsync();

    public abstract ValueTask DisposeAsync();
}
