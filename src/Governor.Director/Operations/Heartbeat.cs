using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Operations;

/// <summary>Since when somebody has listened to the fleet: one row, kept each second by every Director whose broker
/// connection is up. A gap in it means that silence of runtimes says nothing, and is counted anew.</summary>
internal sealed class Heartbeat
{
    public const int TheOne = 1;

    public int Id { get; init; } = TheOne;

    public DateTimeOffset ListeningSince { get; set; }

    public DateTimeOffset BeatAt { get; set; }
}

internal sealed class HeartbeatMapping : IEntityTypeConfiguration<Heartbeat>
{
    public void Configure(EntityTypeBuilder<Heartbeat> builder)
    {
        builder.ToTable("heartbeat").HasKey(h => h.Id);
        builder.Property(h => h.Id).ValueGeneratedNever();
    }
}
