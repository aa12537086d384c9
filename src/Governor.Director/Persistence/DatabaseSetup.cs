using Governor.Director.Operations;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Governor.Director.Persistence;

/// <summary>Settings of the database, section <c>Database</c>.</summary>
internal sealed class DatabaseOptions
{
    /// <summary>Whether a Director brings the schema up to date at its start. Switch it off to run migrations by hand; the
    /// Director then waits until that is done.</summary>
    public bool MigrateOnStart { get; set; } = true;
}

/// <summary>Brings the schema up to date, and knows whether it is.</summary>
internal sealed partial class DatabaseSetup(IOptions<DatabaseOptions> options, ILogger<DatabaseSetup> logger)
{
    /// <summary>Stamped into a SQLite file; a file of another version is refused, because there are no migrations for it.</summary>
    public const int SqliteVersion = 3;

    /// <summary>Any number that no other program on this database uses for its lock: "GOVERNOR" in ASCII.</summary>
    private const long MigrationLock = 0x474F5645524E4F52;

    private bool checkedOnce;

    /// <summary>Makes or updates the schema. On PostgreSQL only one Director does it at a time.</summary>
    public async Task PrepareAsync(DirectorDbContext db, CancellationToken cancellationToken)
    {
        if (!db.IsPostgres)
        {
            await PrepareSqliteAsync(db, cancellationToken);
            return;
        }

        if (!options.Value.MigrateOnStart)
            return;

        await CreateDatabaseAsync(db, cancellationToken);

        // Held by the session, so it needs one connection for the whole time.
        await db.Database.OpenConnectionAsync(cancellationToken);
        try
        {
            await db.Database.ExecuteSqlRawAsync($"SELECT pg_advisory_lock({MigrationLock})", cancellationToken);
            var pending = (await db.Database.GetPendingMigrationsAsync(cancellationToken)).ToList();
            if (pending.Count > 0)
            {
                LogMigrating(pending.Count);
                await db.Database.MigrateAsync(cancellationToken);
            }
        }
        finally
        {
            await UnlockAsync(db);
        }
    }

    /// <summary>The pool would keep the session, and the lock with it.</summary>
    private static async Task UnlockAsync(DirectorDbContext db)
    {
        try
        {
            await db.Database.ExecuteSqlRawAsync($"SELECT pg_advisory_unlock({MigrationLock})", CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // The session is gone, and its lock with it; what ended it is the error to see.
        }

        await db.Database.CloseConnectionAsync();
    }

    /// <summary>What is missing of the schema, in a sentence; null if nothing is.</summary>
    public async Task<string?> MissingAsync(DirectorDbContext db, CancellationToken cancellationToken)
    {
        if (!db.IsPostgres || checkedOnce)
        {
            await db.Heartbeats.AsNoTracking().AnyAsync(cancellationToken);
            return null;
        }

        var pending = (await db.Database.GetPendingMigrationsAsync(cancellationToken)).ToList();
        checkedOnce = pending.Count == 0;
        return checkedOnce ? null
            : $"The schema lacks {pending.Count} migration(s). Start one Director with Database__MigrateOnStart=true, or apply them by hand.";
    }

    /// <summary>Makes the database if there is none; another Director may do so at the same time.</summary>
    private static async Task CreateDatabaseAsync(DirectorDbContext db, CancellationToken cancellationToken)
    {
        var creator = db.GetService<IRelationalDatabaseCreator>();
        try
        {
            if (!await creator.ExistsAsync(cancellationToken))
                await creator.CreateAsync(cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.DuplicateDatabase or PostgresErrorCodes.UniqueViolation)
        {
            // The other one was faster.
        }
    }

    private static async Task PrepareSqliteAsync(DirectorDbContext db, CancellationToken cancellationToken)
    {
        var created = await db.Database.EnsureCreatedAsync(cancellationToken);
        await db.Database.OpenConnectionAsync(cancellationToken);
        try
        {
            if (created)
            {
                await db.Database.ExecuteSqlRawAsync($"PRAGMA user_version = {SqliteVersion}", cancellationToken);
                await db.Database.ExecuteSqlRawAsync("PRAGMA journal_mode = WAL", cancellationToken);
                return;
            }

            var version = (await db.Database.SqlQueryRaw<int>("SELECT user_version AS \"Value\" FROM pragma_user_version")
                .ToListAsync(cancellationToken))[0];
            if (version != SqliteVersion)
            {
                throw new StartException(
                    $"The state file is of version {version}, this program needs {SqliteVersion}. Start it with --reset to begin anew, or run the program that made the file.");
            }
        }
        finally
        {
            await db.Database.CloseConnectionAsync();
        }
    }

    [LoggerMessage(2601, LogLevel.Information, "Applying {Count} migration(s)")]
    private partial void LogMigrating(int count);
}
