using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Drift;

/// <summary>How assignment and report differ. Stored by name.</summary>
internal enum DriftKind
{
    /// <summary>Nothing of the configuration is there.</summary>
    Missing = 0,

    /// <summary>The content of an older revision is there.</summary>
    Stale = 1,

    /// <summary>Some other content is there: another hand changed it.</summary>
    Tampered = 2,

    /// <summary>The runtime does not report.</summary>
    Silent = 3,

    /// <summary>Something is there of a configuration that is not assigned.</summary>
    Orphaned = 4,

    /// <summary>A component's file, object or name belongs to another hand; nothing was touched.</summary>
    Foreign = 5,
}

/// <summary>A drift that is there now; the row goes when the drift is gone.</summary>
internal sealed class DriftFinding
{
    public required string RuntimeId { get; init; }

    /// <summary>The configuration or credential concerned; empty for <see cref="DriftKind.Silent"/>.</summary>
    public required string Item { get; init; }

    public DriftKind Kind { get; init; }

    public DateTimeOffset DetectedAt { get; init; }

    public string? ExpectedDigest { get; init; }

    public string? ReportedDigest { get; init; }

    /// <summary>What the runtime says of it, if it could not or would not take the content: <c>rejected: …</c>, which is not
    /// healed, or <c>failed: …</c>, which is tried again.</summary>
    public string? Reason { get; init; }
}

internal sealed class DriftFindingMapping : IEntityTypeConfiguration<DriftFinding>
{
    public void Configure(EntityTypeBuilder<DriftFinding> builder)
    {
        builder.ToTable("drift_findings").HasKey(f => new { f.RuntimeId, f.Item, f.Kind });
        builder.Property(f => f.RuntimeId).HasMaxLength(63);
        builder.Property(f => f.Item).HasMaxLength(Assignments.Items.MaxLength);
        builder.Property(f => f.Kind).HasConversion<string>().HasMaxLength(20);
        builder.Property(f => f.ExpectedDigest).HasMaxLength(64);
        builder.Property(f => f.ReportedDigest).HasMaxLength(64);
    }
}
