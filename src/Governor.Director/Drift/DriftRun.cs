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

    /// <summary>Null while it runs, and for ever if its Director died.</summary>
    public DateTimeOffset? FinishedAt { get; set; }

    public int Findings { get; set; }

    public int Sent { get; set; }

    /// <summary>Why it did not finish, where that is known.</summary>
    public string? Error { get; set; }
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
