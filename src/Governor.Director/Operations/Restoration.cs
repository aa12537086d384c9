using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Operations;

/// <summary>That an operator said that the database was restored from a backup: what was sent after the backup was made is
/// unknown to it, and every generation went up to a base above all of that.</summary>
internal sealed class Restoration
{
    /// <summary>The base: the Unix time in milliseconds at that moment, never read from the database, so that a second restore
    /// of the same backup gets a higher one.</summary>
    public long BaseGeneration { get; init; }

    public DateTimeOffset RestoredAt { get; init; }
}

internal sealed class RestorationMapping : IEntityTypeConfiguration<Restoration>
{
    public void Configure(EntityTypeBuilder<Restoration> builder)
    {
        builder.ToTable("restorations").HasKey(r => r.BaseGeneration);
        builder.Property(r => r.BaseGeneration).ValueGeneratedNever();
    }
}
