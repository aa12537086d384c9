using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Drift;

/// <summary>Lets one drift run go at a time: the scheduled one, and those that people ask for. On PostgreSQL over all
/// Directors, by an advisory lock of the session.</summary>
internal sealed class ScanLock : IAsyncDisposable
{
    /// <summary>Any number that no other program on this database uses for its lock: "DRIFT" in ASCII.</summary>
    private const long Number = 0x4452494654;

    private static readonly SemaphoreSlim Local = new(1, 1);

    private readonly DirectorDbContext db;

    private ScanLock(DirectorDbContext db) => this.db = db;

    public static async Task<ScanLock> TakeAsync(DirectorDbContext db, CancellationToken cancellationToken)
    {
        await Local.WaitAsync(cancellationToken);
        try
        {
            if (db.IsPostgres)
            {
                // One connection for the whole run, because the lock is the session's.
                await db.Database.OpenConnectionAsync(cancellationToken);
                await db.Database.ExecuteSqlRawAsync($"SELECT pg_advisory_lock({Number})", cancellationToken);
            }
        }
        catch
        {
            await db.Database.CloseConnectionAsync();
            Local.Release();
            throw;
        }

        return new ScanLock(db);
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            if (db.IsPostgres)
            {
                await db.Database.ExecuteSqlRawAsync($"SELECT pg_advisory_unlock({Number})", CancellationToken.None);
                await db.Database.CloseConnectionAsync();
            }
        }
        catch (System.Data.Common.DbException)
        {
            // The session is gone, and its lock with it.
        }
        finally
        {
            Local.Release();
        }
    }
}
