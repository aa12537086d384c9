using Governor.Contracts;
using Governor.Director.Persistence;

namespace Governor.Director.Credentials;

/// <summary>What reports prove about who may hold which version.</summary>
internal static class Holdings
{
    /// <summary>A report of a later generation than the one that brought a version, which does not list it, proves that the runtime
    /// holds it no more; what a report lists, the runtime may hold, whatever the tables say.</summary>
    public static async Task RecordHoldingsAsync(
        this DirectorDbContext db, IReadOnlyCollection<RuntimeReported> reports, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var listed = new RowSet(db, ("runtime_id", ColumnType.Text), ("version_id", ColumnType.Text));
        foreach (var report in reports)
        {
            foreach (var credential in report.Credentials)
                listed.Add(report.RuntimeId, credential.VersionId);
        }

        // Only ids that are a version's: an Agent may also say that something was tampered with.
        await listed.ExecuteAsync(
            """
            INSERT INTO credential_holdings (runtime_id, version_id, generation, since)
            SELECT x.runtime_id, x.version_id, 0, @now FROM {rows} JOIN credential_versions v ON v.version_id = x.version_id WHERE true
            ON CONFLICT (runtime_id, version_id) DO NOTHING
            """, cancellationToken, ("now", now));

        var heard = new RowSet(db, ("runtime_id", ColumnType.Text), ("generation", ColumnType.Integer), ("held", ColumnType.Text));
        foreach (var report in reports)
            heard.Add(report.RuntimeId, report.Generation, $",{string.Join(',', report.Credentials.Select(c => c.VersionId))},");
        await heard.ExecuteAsync(
            """
            DELETE FROM credential_holdings WHERE (runtime_id, version_id) IN (
                SELECT h.runtime_id, h.version_id FROM credential_holdings AS h JOIN {rows} ON h.runtime_id = x.runtime_id
                WHERE h.generation < x.generation AND x.held NOT LIKE '%,' || h.version_id || ',%')
            """, cancellationToken);
    }
}
