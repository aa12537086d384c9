using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Operations;

/// <summary>The heartbeat's row.</summary>
internal static class Listening
{
    /// <summary>A gap between two beats that is longer than this means that nobody listened.</summary>
    private static readonly TimeSpan Gap = TimeSpan.FromSeconds(3);

    /// <summary>Says that this Director listens; after a gap, silence is counted anew.</summary>
    public static async Task BeatAsync(this DirectorDbContext db, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await db.Database.ExecuteSqlRawAsync(
            """
            INSERT INTO heartbeat (id, listening_since, beat_at) VALUES (@id, @now, @now)
            ON CONFLICT (id) DO UPDATE SET
                listening_since = CASE WHEN heartbeat.beat_at < @gap THEN excluded.beat_at ELSE heartbeat.listening_since END,
                beat_at = excluded.beat_at
            """,
            [db.Parameter("id", Heartbeat.TheOne), db.Parameter("now", now), db.Parameter("gap", now - Gap)], cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Since when somebody has listened to the fleet. Without a heartbeat yet, that is now.</summary>
    public static async Task<DateTimeOffset> ListeningSinceAsync(
        this DirectorDbContext db, DateTimeOffset now, CancellationToken cancellationToken) =>
        await db.Heartbeats.AsNoTracking().Select(h => (DateTimeOffset?)h.ListeningSince)
            .SingleOrDefaultAsync(cancellationToken) ?? now;
}
