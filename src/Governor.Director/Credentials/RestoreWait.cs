using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Credentials;

/// <summary>That a restored database does not know yet what was sent since the backup was made: until every runtime, whichever
/// tenant's it is, has said what it holds, no version is announced as revocable.</summary>
/// <param name="RestoredAt">When an operator said that the database was restored.</param>
/// <param name="Silent">Number of runtimes that have not reported since.</param>
/// <param name="Named">Some of them, of the tenant who asks only.</param>
internal sealed record RestoreWait(DateTimeOffset RestoredAt, int Silent, IReadOnlyList<string> Named)
{
    private const int MostNamed = 20;

    /// <summary>What an operator should know of it.</summary>
    public override string ToString()
    {
        var named = Named.Count == 0 ? "" : $" ({string.Join(", ", Named)}{(Silent > Named.Count ? " and others" : "")})";
        return $"the database was restored at {RestoredAt:O}, and {Silent} runtime(s){named} have not reported since; start their Agents, or deregister by force what will never report";
    }

    /// <summary>Reads what is waited for; null if nothing is.</summary>
    public static async Task<RestoreWait?> FindAsync(DirectorDbContext db, string tenant, CancellationToken cancellationToken)
    {
        if (await NewestAsync(db, cancellationToken) is not { } restoration)
            return null;

        var silent = SilentSince(db, restoration.BaseGeneration);
        var count = await silent.CountAsync(cancellationToken);
        return count == 0 ? null : new RestoreWait(restoration.RestoredAt, count, await silent
            .Where(r => r.Tenant == tenant).Select(r => r.RuntimeId).OrderBy(id => id).Take(MostNamed).ToListAsync(cancellationToken));
    }

    /// <summary>Whether anything is waited for.</summary>
    public static async Task<bool> IsOnAsync(DirectorDbContext db, CancellationToken cancellationToken) =>
        await NewestAsync(db, cancellationToken) is { } restoration
        && await SilentSince(db, restoration.BaseGeneration).AnyAsync(cancellationToken);

    private static Task<Restoration?> NewestAsync(DirectorDbContext db, CancellationToken cancellationToken) =>
        db.Restorations.AsNoTracking().OrderByDescending(r => r.BaseGeneration).FirstOrDefaultAsync(cancellationToken);

    /// <summary>One that was registered since counts too: it may be one that the backup does not know, with versions of its former life.</summary>
    private static IQueryable<Runtime> SilentSince(DirectorDbContext db, long baseGeneration) =>
        db.Runtimes.AsNoTracking().Where(r => r.ReportedGeneration < baseGeneration);
}
