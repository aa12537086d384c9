using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Persistence;

namespace Governor.Director.Reports;

/// <summary>What reports say of contents that runtimes reject.</summary>
internal static class RejectionMemory
{
    /// <summary>Remembers what is rejected, and forgets it once it is applied.</summary>
    public static async Task RememberAsync(
        this DirectorDbContext db, IReadOnlyCollection<RuntimeReported> reports, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var known = (await db.RejectionsOfAsync(reports.Select(r => r.RuntimeId), cancellationToken)).All;
        var rejected = Digests(reports, ApplyOutcome.Rejected);
        var added = new RowSet(db, ("runtime_id", ColumnType.Text), ("digest", ColumnType.Text));
        foreach (var (runtimeId, digest) in rejected.Except(known))
            added.Add(runtimeId, digest);
        await added.ExecuteAsync(
            """
            INSERT INTO rejections (runtime_id, digest, rejected_at) SELECT x.runtime_id, x.digest, @now FROM {rows} WHERE true
            ON CONFLICT (runtime_id, digest) DO NOTHING
            """, cancellationToken, ("now", now));

        var forgotten = new RowSet(db, ("runtime_id", ColumnType.Text), ("digest", ColumnType.Text));
        foreach (var (runtimeId, digest) in Digests(reports, ApplyOutcome.Applied).Except(rejected).Intersect(known))
            forgotten.Add(runtimeId, digest);
        await forgotten.ExecuteAsync(
            "DELETE FROM rejections WHERE (runtime_id, digest) IN (SELECT x.runtime_id, x.digest FROM {rows})", cancellationToken);
    }

    private static HashSet<(string RuntimeId, string Digest)> Digests(IEnumerable<RuntimeReported> reports, ApplyOutcome outcome) =>
    [
        .. reports.SelectMany(r => r.Configurations.Where(c => c.Outcome == outcome && c.OutcomeDigest is not null)
            .Select(c => (r.RuntimeId, c.OutcomeDigest!))),
    ];
}
