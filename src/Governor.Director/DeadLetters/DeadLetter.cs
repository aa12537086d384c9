using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.DeadLetters;

/// <summary>A message that the Director or an Agent gave up on, kept for an operator to requeue or delete.</summary>
internal sealed class DeadLetter
{
    /// <summary>The same for a message that is given up again after it was requeued.</summary>
    public required string DeadLetterId { get; init; }

    /// <summary>Name of the queue that the message was taken from.</summary>
    public required string Source { get; init; }

    public required string Reason { get; set; }

    public string? ExceptionType { get; set; }

    public string? MessageId { get; set; }

    public string? ContentType { get; set; }

    /// <summary>Transport headers as a JSON object of texts.</summary>
    public required string Headers { get; set; }

    /// <summary>The body, byte for byte; null where it must not be kept.</summary>
    public byte[]? Body { get; set; }

    public DateTimeOffset DeadLetteredAt { get; set; }
}

internal sealed class DeadLetterMapping : IEntityTypeConfiguration<DeadLetter>
{
    public void Configure(EntityTypeBuilder<DeadLetter> builder)
    {
        builder.ToTable("dead_letters").HasKey(d => d.DeadLetterId);
        builder.Property(d => d.DeadLetterId).HasMaxLength(64);
        builder.Property(d => d.Source).HasMaxLength(255);
        builder.HasIndex(d => new { d.DeadLetteredAt, d.DeadLetterId });
    }
}
