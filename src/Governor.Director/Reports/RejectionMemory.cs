using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Persistence;

namespace Governor.Director.Reports;

/// <summary>What reports say of contents that runtimes reject.</summary>
internal static class RejectionMemory
{
    /// <summary>Remembers what is rejected, and forgets it once a rollout has brought it after all. Not at every report that
    /// says <c>applied</c>: where another configuration of the same content is shadowed, it says so for ever.</summary>
    /// <param name="db">The database.</param>
    /// <param name="reports">The reports.</param>
    /// <param name="applied">Digests of the targets that became applied by them.</param>
    /// <param name="now">The present.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public static async Task RememberAsync(
        this DirectorDbContext db, IReadOnlyCollection<RuntimeReported> reports,
        IEnumerable<(string RuntimeId, string Digest)> applied, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var known = (await db.RejectionsOfAsync(reports.Select(r => r.RuntimeId), cancellationToken)).All;
        var rejected = reports
            .SelectMany(r => r.Configurations.Where(c => c.Outcome == ApplyOutcome.Rejected && c.OutcomeDigest is not null)
                .Select(c => (r.RuntimeId, c.OutcomeDigest!)))
            .ToHashSet();
        var added = new RowSet(db, ("runtime_id", ColumnType.Text), ("digest", ColumnType.Text));
        foreach (var (runtimeId, digest) in rejected.Except(known))
            added.Add(runtimeId, digest);
        await added.ExecuteAsync(
            """
            INSERT INTO rejections (runtime_id, digest, rejected_at) SELECT x.runtime_id, x.digest, @now FROM {rows} WHERE true
            ON CONFLICT (runtime_id, digest) DO NOTHING
            """, cancellationToken, ("now", now));

        var forgotten = new RowSet(db, ("runtime_id", ColumnType.Text), ("digest", ColumnType.Text));
        foreach (var (runtimeId, digest) in applied.Except(rejected).Intersect(known))
            forgotten.Add(runtimeId, digest);
        await forgotten.ExecuteAsync(
            "DELETE FROM rejections WHERE (runtime_id, digest) IN (SELECT x.runtime_id, x.digest FROM {rows})", cancellationToken);
    }
}
