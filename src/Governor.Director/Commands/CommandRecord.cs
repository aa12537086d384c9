using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Commands;

/// <summary>A command that was carried out or refused, written in the transaction that did so: the same id again is answered
/// as before. Holds bus commands by their <c>commandId</c> and HTTP requests by their <c>Idempotency-Key</c>.</summary>
internal sealed class CommandRecord
{
    public required string Tenant { get; init; }

    public required string CommandId { get; init; }

    /// <summary>Lower-case hex SHA-256 of what was asked for: the same id with another hash is rejected.</summary>
    public required string RequestHash { get; init; }

    /// <summary>The answer as JSON; null only inside the transaction that works it out.</summary>
    public string? Answer { get; set; }

    public DateTimeOffset At { get; init; }
}

internal sealed class CommandRecordMapping : IEntityTypeConfiguration<CommandRecord>
{
    public void Configure(EntityTypeBuilder<CommandRecord> builder)
    {
        builder.ToTable("commands").HasKey(c => new { c.Tenant, c.CommandId });
        builder.Property(c => c.Tenant).HasMaxLength(63);
        builder.Property(c => c.CommandId).HasMaxLength(200);
        builder.Property(c => c.RequestHash).HasMaxLength(64);
        builder.HasIndex(c => c.At);
    }
}
