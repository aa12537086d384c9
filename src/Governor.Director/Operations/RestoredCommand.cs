using System.Globalization;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Governor.Director.Operations;

/// <summary><c>Governor.Director restored</c>: an operator says that the database was restored from a backup.</summary>
internal static class RestoredCommand
{
    public const string Name = "restored";

    private const string Force = "--force";

    /// <summary>Directors beat each second.</summary>
    private static readonly TimeSpan Alive = TimeSpan.FromSeconds(5);

    /// <summary>Runs the command.</summary>
    /// <param name="args">What follows the name.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="output">Gets one line of what was done.</param>
    /// <exception cref="StartException">It is refused; nothing was changed.</exception>
    public static async Task RunAsync(string[] args, TimeProvider clock, TextWriter output)
    {
        var settings = args.Where(arg => arg != Force).ToArray();
        if (Array.Find(settings, arg => !arg.StartsWith("--", StringComparison.Ordinal) || !arg.Contains('=', StringComparison.Ordinal)) is { } unknown)
        {
            throw new StartException(
                $"'{unknown}' is unknown. Usage: Governor.Director {Name} [{Force}] [--ConnectionStrings:Director=…]");
        }

        var connection = WebApplication.CreateSlimBuilder(settings).Configuration.GetConnectionString("Director");
        if (string.IsNullOrWhiteSpace(connection))
            throw new StartException("ConnectionStrings__Director is missing: set it to the Npgsql connection string of the restored database.");

        try
        {
            var options = new DbContextOptionsBuilder<DirectorDbContext>().UseNpgsql(connection).UseSnakeCaseNamingConvention().Options;
            await using var db = new DirectorDbContext(options);
            await db.Database.OpenConnectionAsync(CancellationToken.None); // a database that is missing is told from one that is empty
            await CheckSchemaAsync(db);
            if (!args.Contains(Force))
                await CheckNobodyWorksAsync(db, clock.GetUtcNow());
            var result = await new RestoreStep(db, clock).RunAsync(CancellationToken.None);
            await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                $"Restored: the generations of {result.Runtimes} runtime(s) and {result.Retired} former one(s) are at least {result.Base} now. Start the Directors: their drift job sends every runtime the whole."));
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
        {
            throw new StartException($"There is no such database: {e.MessageText}. Restore the backup first.", e);
        }
        catch (Exception e) when ((e as NpgsqlException ?? e.InnerException as NpgsqlException) is { } refused)
        {
            throw new StartException($"The database refused: {refused.Message.TrimEnd('.')}. Nothing was changed.", e);
        }
        catch (ArgumentException e)
        {
            throw new StartException($"ConnectionStrings__Director is no Npgsql connection string: {e.Message}", e);
        }
    }

    private static async Task CheckSchemaAsync(DirectorDbContext db)
    {
        var applied = (await db.Database.GetAppliedMigrationsAsync(CancellationToken.None)).ToList();
        var known = db.Database.GetMigrations().ToList();
        if (!applied.Exists(known.Contains))
            throw new StartException("This database holds no Governor schema. Restore the backup first, or correct ConnectionStrings__Director.");
        if (!known.TrueForAll(applied.Contains) || !applied.TrueForAll(known.Contains))
        {
            throw new StartException(
                $"The backup is of another version of the Governor: its newest migration is {applied[^1]}, this program's is {known[^1]}. Run 'restored' of the version that made the backup; after that a newer Director may start, and brings the schema up to date.");
        }
    }

    /// <summary>A Director that beats is at work; one whose broker is down does not beat, but it is connected.</summary>
    private static async Task CheckNobodyWorksAsync(DirectorDbContext db, DateTimeOffset now)
    {
        var connected = (await db.Database.SqlQueryRaw<long>(
            """
            SELECT count(*) AS "Value" FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
              AND application_name NOT IN ('psql', 'pg_dump', 'pg_restore')
            """).ToListAsync(CancellationToken.None))[0];
        if (connected > 0 || await db.Heartbeats.AsNoTracking().AnyAsync(h => h.BeatAt > now - Alive, CancellationToken.None))
        {
            throw new StartException(
                $"A Director is at work on this database, or another program is connected to it. Stop all Directors, wait {Alive.TotalSeconds:0} seconds and repeat; {Force} does it all the same.");
        }
    }
}
