using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Assignments;

/// <summary>What one runtime should hold of one configuration or credential. Written by <see cref="Assigner"/> alone.</summary>
internal sealed class Assignment
{
    public required string RuntimeId { get; init; }

    public required string Item { get; init; }

    /// <summary>The revision, or the credential's version.</summary>
    public int Revision { get; set; }

    /// <summary>Digest of the content, or the version's random id.</summary>
    public required string Digest { get; set; }

    /// <summary>Generation that brought this revision.</summary>
    public long Generation { get; set; }

    /// <summary>Generation and time of the last send because of this pair; null while it could not be sent.</summary>
    public long? SentGeneration { get; set; }

    public DateTimeOffset? SentAt { get; set; }

    /// <summary>Whether a report has shown this revision since it was assigned.</summary>
    public bool Reported { get; set; }

    /// <summary>The revision that was last reported as applied before this one: what giving back returns to.</summary>
    public int? LastGoodRevision { get; set; }

    /// <summary>The revision that the runtime last reported as applied, this one included.</summary>
    public int? Good => Reported ? Revision : LastGoodRevision;
}

/// <summary>What a runtime's newest report says of one configuration or credential.</summary>
internal sealed class ReportItem
{
    public required string RuntimeId { get; init; }

    public required string Item { get; init; }

    public string? Digest { get; init; }

    public string? Outcome { get; init; }

    public string? OutcomeDigest { get; init; }

    public string? Reason { get; init; }

    public string? Message { get; init; }

    /// <summary>Whether the report shows this digest: an outcome <c>failed</c> or <c>rejected</c> for the same digest
    /// outweighs that it is there. Null asks for its absence: the report lists the configuration neither as content nor as
    /// an outcome.</summary>
    public static bool Shows(ReportItem? item, string? digest) =>
        digest is null ? item is null : item?.Digest == digest && !Refuses(item, digest);

    /// <summary>Whether the newest outcome for this digest is a failure or a refusal.</summary>
    public static bool Refuses(ReportItem? item, string? digest) =>
        item is { Outcome: "failed" or "rejected" } && item.OutcomeDigest == digest;
}

/// <remarks>No foreign keys: the server would check each row on its own, and these tables are written by the thousand, under
/// the lock of their runtime.</remarks>
internal sealed class AssignmentMapping : IEntityTypeConfiguration<Assignment>, IEntityTypeConfiguration<ReportItem>
{
    public void Configure(EntityTypeBuilder<Assignment> builder)
    {
        builder.ToTable("assignments").HasKey(a => new { a.RuntimeId, a.Item });
        builder.Property(a => a.RuntimeId).HasMaxLength(63);
        builder.Property(a => a.Item).HasMaxLength(Items.MaxLength);
        builder.Property(a => a.Digest).HasMaxLength(64);
        builder.Ignore(a => a.Good);
        builder.HasIndex(a => a.Item);
    }

    public void Configure(EntityTypeBuilder<ReportItem> builder)
    {
        builder.ToTable("report_items").HasKey(i => new { i.RuntimeId, i.Item });
        builder.Property(i => i.RuntimeId).HasMaxLength(63);
        builder.Property(i => i.Item).HasMaxLength(Items.MaxLength);
        builder.Property(i => i.Digest).HasMaxLength(64);
        builder.Property(i => i.Outcome).HasMaxLength(20);
        builder.Property(i => i.OutcomeDigest).HasMaxLength(64);
        builder.Property(i => i.Reason).HasMaxLength(100);
    }
}
