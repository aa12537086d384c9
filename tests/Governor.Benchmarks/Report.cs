using System.Globalization;
using System.Text.Json;

namespace Governor.Benchmarks;

/// <summary>One thing to measure; its runs alternate with those of the others in its group.</summary>
/// <param name="Name">The case.</param>
/// <param name="Unit">Unit of what <paramref name="RunAsync"/> gives.</param>
/// <param name="RunAsync">Measures once.</param>
/// <param name="Baseline">The case of the same group to compare with; null for a baseline itself.</param>
/// <param name="Goal">The ratio to reach: at least, for rates; at most, for times.</param>
/// <param name="Orientation">What a machine of this kind was seen to do.</param>
internal sealed record Case(
    string Name, string Unit, Func<CancellationToken, Task<double>> RunAsync, string? Baseline = null, double? Goal = null, string Orientation = "")
{
    public bool LowerIsBetter => Unit == "ms";
}

/// <summary>What the runs of a case gave.</summary>
internal sealed record Measured(Case Case, IReadOnlyList<double> Runs, double? BaselineMedian)
{
    public double Median
    {
        get
        {
            var sorted = Runs.Order().ToArray();
            return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
        }
    }

    public double? Ratio => BaselineMedian is { } baseline ? Median / baseline : null;

    public string Verdict => Case.Goal is not { } goal || Ratio is not { } ratio ? ""
        : (Case.LowerIsBetter ? ratio <= goal : ratio >= goal) ? "reached" : "short";
}

internal static class Report
{
    public static void WriteTable(IEnumerable<Measured> results)
    {
        string[][] rows =
        [
            ["case", "median", "unit", "spread", "baseline", "ratio", "goal", "", "seen before"],
            .. results.Select(r => (string[])
            [
                r.Case.Name, Number(r.Median), r.Case.Unit, $"{Number(r.Runs.Min())}–{Number(r.Runs.Max())}", r.Case.Baseline ?? "",
                r.Ratio?.ToString("0.00", CultureInfo.InvariantCulture) ?? "",
                r.Case.Goal is { } goal ? string.Create(CultureInfo.InvariantCulture, $"{(r.Case.LowerIsBetter ? "≤" : "≥")} {goal:0.##}") : "",
                r.Verdict, r.Case.Orientation,
            ]),
        ];
        var widths = Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
            Console.WriteLine(string.Join("  ", row.Select((cell, column) => column is 1 or 5 ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column]))).TrimEnd());
    }

    /// <summary>Says which baselines are more than 30 % worse than what machines of this kind did before.</summary>
    public static void WriteDoubts(IEnumerable<Measured> results)
    {
        foreach (var r in results.Where(r => r.Case.Goal is null && r.Case.Orientation.Length > 0))
        {
            var seen = r.Case.Orientation.Split('–').Select(bound => double.Parse(bound, NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture)).ToArray();
            if (r.Case.LowerIsBetter ? r.Median > 1.3 * seen[^1] : r.Median < 0.7 * seen[0])
                Console.Error.WriteLine($"{r.Case.Name} is more than 30 % worse than {r.Case.Orientation} {r.Case.Unit}, which such machines have been seen to do: "
                    + "the machine is slower, or had other work. Ratios compare with this run.");
        }
    }

    public static void WriteJson(IEnumerable<Measured> results)
    {
        foreach (var r in results)
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                benchmark = "outbox", @case = r.Case.Name, value = Math.Round(r.Median, 3), unit = r.Case.Unit, runs = r.Runs.Count,
                baseline = r.Case.Baseline, ratio = r.Ratio is { } ratio ? Math.Round(ratio, 3) : (double?)null,
            }));
    }

    public static string Number(double value) => value.ToString(value < 100 ? "0.00" : "0", CultureInfo.InvariantCulture);
}
