using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Configurations;

/// <summary>A named desired state. Revisions only grow, deletion and re-creation included.</summary>
internal sealed class Configuration
{
    public required string Tenant { get; init; }

    public required string Name { get; init; }

    /// <summary>Breaks ties between equal priorities: the one created first wins.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    public int NewestRevision { get; set; }

    /// <summary>The newest revision whose rollout ended well; 0 before the first.</summary>
    public int StableRevision { get; set; }
}

/// <summary>One immutable state of a configuration.</summary>
internal sealed class ConfigurationRevision
{
    public required string Tenant { get; init; }

    public required string Configuration { get; init; }

    public required int Revision { get; init; }

    /// <summary>The content as canonical JSON; null for a tombstone.</summary>
    public string? Content { get; init; }

    /// <summary>Digest of the components; null for a tombstone.</summary>
    public string? Digest { get; init; }

    /// <summary>Size of the content in bytes.</summary>
    public int Size { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }

    public bool IsTombstone => Content is null;
}

internal sealed class ConfigurationMapping :
    IEntityTypeConfiguration<Configuration>, IEntityTypeConfiguration<ConfigurationRevision>
{
    public void Configure(EntityTypeBuilder<Configuration> builder)
    {
        builder.ToTable("configurations").HasKey(c => new { c.Tenant, c.Name });
        builder.Property(c => c.Tenant).HasMaxLength(63);
        builder.Property(c => c.Name).HasMaxLength(63);
    }

    public void Configure(EntityTypeBuilder<ConfigurationRevision> builder)
    {
        builder.ToTable("configuration_revisions").HasKey(r => new { r.Tenant, r.Configuration, r.Revision });
        builder.Property(r => r.Tenant).HasMaxLength(63);
        builder.Property(r => r.Configuration).HasMaxLength(63);
        builder.Property(r => r.Digest).HasMaxLength(64);
        builder.Property(r => r.CreatedBy).HasMaxLength(256);
        builder.Ignore(r => r.IsTombstone);
        builder.HasOne<Configuration>().WithMany().HasForeignKey(r => new { r.Tenant, r.Configuration });
    }
}
