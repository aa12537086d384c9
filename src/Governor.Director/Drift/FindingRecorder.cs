using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Drift;

/// <summary>Keeps the table of findings: adds what is new, closes what is gone, and announces both.</summary>
internal sealed class FindingRecorder(DirectorDbContext db, IPublishEndpoint bus)
{
    /// <summary>Records the findings of one run, in the caller's transaction.</summary>
    public async Task RecordAsync(DriftComparisonResult result, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var runtimes = result.Fleet.ToDictionary(f => f.Runtime.RuntimeId, StringComparer.Ordinal);
        var open = (await db.Findings.AsNoTracking().ToListAsync(cancellationToken))
            .ToDictionary(f => (f.RuntimeId, f.Item, f.Kind));
        var written = new RowSet(db, ("runtime_id", ColumnType.Text), ("item", ColumnType.Text), ("kind", ColumnType.Text),
            ("expected_digest", ColumnType.Text), ("reported_digest", ColumnType.Text), ("reason", ColumnType.Text));
        foreach (var finding in result.Findings
            .OrderBy(f => f.RuntimeId, StringComparer.Ordinal).ThenBy(f => f.Item, StringComparer.Ordinal).ThenBy(f => f.Kind))
        {
            var known = open.Remove((finding.RuntimeId, finding.Item, finding.Kind), out var old);
            if (known && (old!.ExpectedDigest, old.ReportedDigest, old.Reason)
                == (finding.ExpectedDigest, finding.ReportedDigest, finding.Reason))
            {
                continue;
            }

            written.Add(finding.RuntimeId, finding.Item, finding.Kind, finding.ExpectedDigest, finding.ReportedDigest,
                finding.Reason);
            if (!known)
                await AnnounceAsync(finding, runtimes[finding.RuntimeId].Runtime, now, cancellationToken);
        }

        var gone = open.Values
            .Where(f => !result.PassedOver.Contains((f.RuntimeId, f.Item)) && !StaysWhileAway(f, runtimes))
            .ToList();
        var stillDiffering = result.Findings.Select(f => (f.RuntimeId, f.Item)).ToHashSet();
        await CloseAsync(gone, stillDiffering, runtimes, now, cancellationToken);
        await written.ExecuteAsync(
            """
            INSERT INTO drift_findings (runtime_id, item, kind, detected_at, expected_digest, reported_digest, reason)
            SELECT x.runtime_id, x.item, x.kind, @now, x.expected_digest, x.reported_digest, x.reason
            FROM {rows} WHERE true
            ON CONFLICT (runtime_id, item, kind) DO UPDATE SET expected_digest = excluded.expected_digest,
                reported_digest = excluded.reported_digest, reason = excluded.reason
            """, cancellationToken, ("now", now));
    }

    /// <summary>Nothing is known of the content of a runtime that is away: its findings stay.</summary>
    private static bool StaysWhileAway(
        DriftFinding finding, Dictionary<string, (Runtime Runtime, bool IsAway, bool IsBehind)> runtimes) =>
        finding.Kind != DriftKind.Silent && runtimes.TryGetValue(finding.RuntimeId, out var runtime) && runtime.IsAway;

    private async Task AnnounceAsync(
        DriftFinding finding, Runtime runtime, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (finding.Kind == DriftKind.Silent)
        {
            await bus.Publish(
                new RuntimeSilent(runtime.RuntimeId, runtime.Tenant, runtime.HeardAt!.Value), cancellationToken);
        }
        else
        {
            await bus.Publish(
                new DriftDetected(finding.RuntimeId, runtime.Tenant, Items.Configuration(finding.Item), finding.Kind.ToString(),
                    finding.ExpectedDigest, finding.ReportedDigest, now, Items.Credential(finding.Item)),
                cancellationToken);
        }
    }

    /// <summary>Removes what is gone. A finding that only became one of another kind is no correction.</summary>
    private async Task CloseAsync(
        List<DriftFinding> gone, HashSet<(string RuntimeId, string Configuration)> stillDiffering,
        Dictionary<string, (Runtime Runtime, bool IsAway, bool IsBehind)> runtimes, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("item", ColumnType.Text), ("kind", ColumnType.Text));
        foreach (var finding in gone)
        {
            rows.Add(finding.RuntimeId, finding.Item, finding.Kind);
            if (finding.Kind != DriftKind.Silent && !stillDiffering.Contains((finding.RuntimeId, finding.Item))
                && runtimes.TryGetValue(finding.RuntimeId, out var runtime))
            {
                await bus.Publish(
                    new DriftCorrected(finding.RuntimeId, runtime.Runtime.Tenant, Items.Configuration(finding.Item),
                        finding.Kind.ToString(), now, Items.Credential(finding.Item)),
                    cancellationToken);
            }
        }

        await rows.ExecuteAsync(
            "DELETE FROM drift_findings WHERE (runtime_id, item, kind) IN (SELECT x.runtime_id, x.item, x.kind FROM {rows})",
            cancellationToken);
    }
}
