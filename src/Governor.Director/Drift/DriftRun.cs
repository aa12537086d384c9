using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Drift;

/// <summary>A run of the drift job; kept for a while, so that operators see that it runs, and what it found.</summary>
internal sealed class DriftRun
{
    public Guid RunId { get; init; }

    /// <summary>The moment that the schedule named; null for a run that somebody asked for. No two runs have the same.</summary>
    public DateTimeOffset? ScheduledAt { get; init; }

    public DateTimeOffset StartedAt { get; init; }

    /// <summary>Null while it runs, and for ever if its Director died or lost the database.</summary>
    public DateTimeOffset? FinishedAt { get; set; }

    public int Findings { get; set; }

    public int Sent { get; set; }

    /// <summary>Why it did not finish, where that is known.</summary>
    public string? Error { get; set; }
}

/// <summary>Keeps the table of runs.</summary>
internal static class DriftRuns
{
    private const int Kept = 1000;

    /// <summary>Records that a run begins.</summary>
    /// <returns>Its id, or null if the moment that the schedule named was served already.</returns>
    public static async Task<Guid?> BeginRunAsync(
        this DirectorDbContext db, DateTimeOffset? scheduledAt, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var runId = Guid.CreateVersion7(now);
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var inserted = await db.Database.ExecuteSqlRawAsync(
            """
            INSERT INTO drift_runs (run_id, scheduled_at, started_at, findings, sent) VALUES (@id, @scheduled, @now, 0, 0)
            ON CONFLICT DO NOTHING
            """,
            [db.Parameter("id", runId), db.Parameter("scheduled", scheduledAt), db.Parameter("now", now)], cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return inserted == 1 ? runId : null;
    }

    /// <summary>Records how a run ended, and forgets the oldest ones.</summary>
    public static async Task EndRunAsync(
        this DirectorDbContext db, Guid runId, DriftScanResult? result, string? error, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await db.DriftRuns.Where(r => r.RunId == runId).ExecuteUpdateAsync(
            set => set.SetProperty(r => r.FinishedAt, now).SetProperty(r => r.Error, error)
                .SetProperty(r => r.Findings, result == null ? 0 : result.Findings)
                .SetProperty(r => r.Sent, result == null ? 0 : result.Sent),
            cancellationToken);
        await db.Database.ExecuteSqlRawAsync(
            $"DELETE FROM drift_runs WHERE started_at < (SELECT started_at FROM drift_runs ORDER BY started_at DESC LIMIT 1 OFFSET {Kept})",
            cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}

internal sealed class DriftRunMapping : IEntityTypeConfiguration<DriftRun>
{
    public void Configure(EntityTypeBuilder<DriftRun> builder)
    {
        builder.ToTable("drift_runs").HasKey(r => r.RunId);
        builder.HasIndex(r => r.ScheduledAt).IsUnique();
        builder.HasIndex(r => r.StartedAt);
    }
}
