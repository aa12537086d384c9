using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Operations;

internal static class Listening
{
    /// <summary>Since when somebody has listened to the fleet. Without a heartbeat yet, that is now.</summary>
    public static async Task<DateTimeOffset> ListeningSinceAsync(
        this DirectorDbContext db, DateTimeOffset now, CancellationToken cancellationToken) =>
        await db.Heartbeats.AsNoTracking().Select(h => (DateTimeOffset?)h.ListeningSince)
            .SingleOrDefaultAsync(cancellationToken) ?? now;
}
