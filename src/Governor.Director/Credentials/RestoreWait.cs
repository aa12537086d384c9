using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Credentials;

/// <summary>That a restored database does not know yet what was sent since the backup was made: until every runtime, whichever
/// tenant's it is, has handled what it was sent since, and has said what it holds, no version is announced as revocable.</summary>
/// <param name="RestoredAt">When an operator said that the database was restored.</param>
/// <param name="Behind">Number of runtimes that have not reported a generation above the base of that moment.</param>
/// <param name="Own">How many of them are of the tenant who asks.</param>
/// <param name="Named">Some of those.</param>
internal sealed record RestoreWait(DateTimeOffset RestoredAt, int Behind, int Own, IReadOnlyList<string> Named)
{
    private const int MostNamed = 20;

    /// <summary>What an operator should know of it.</summary>
    public override string ToString()
    {
        var named = Own == 0 ? "none of this tenant" : $"of this tenant {string.Join(", ", Named)}{(Own > Named.Count ? " and others" : "")}";
        return $"the database was restored at {RestoredAt:O}, and {Behind} runtime(s) have not reported since that they handled what they were sent ({named}): start their Agents, trust their keys, or deregister by force what will never report";
    }

    /// <summary>Reads what is waited for; null if nothing is.</summary>
    public static async Task<RestoreWait?> FindAsync(DirectorDbContext db, string tenant, CancellationToken cancellationToken)
    {
        if (await NewestAsync(db, cancellationToken) is not { } restoration)
            return null;

        var behind = BehindOf(db, restoration.BaseGeneration);
        if (await behind.CountAsync(cancellationToken) is not (> 0 and var all))
            return null;

        var own = behind.Where(r => r.Tenant == tenant).Select(r => r.RuntimeId);
        return new RestoreWait(restoration.RestoredAt, all, await own.CountAsync(cancellationToken),
            await own.OrderBy(id => id).Take(MostNamed).ToListAsync(cancellationToken));
    }

    /// <summary>Whether anything is waited for.</summary>
    public static async Task<bool> IsOnAsync(DirectorDbContext db, CancellationToken cancellationToken) =>
        await NewestAsync(db, cancellationToken) is { } restoration
        && await BehindOf(db, restoration.BaseGeneration).AnyAsync(cancellationToken);

    private static Task<Restoration?> NewestAsync(DirectorDbContext db, CancellationToken cancellationToken) =>
        db.Restorations.AsNoTracking().OrderByDescending(r => r.BaseGeneration).FirstOrDefaultAsync(cancellationToken);

    /// <summary>One that was registered since counts too: it may be one that the backup does not know, with versions of its former life.</summary>
    private static IQueryable<Runtime> BehindOf(DirectorDbContext db, long baseGeneration) =>
        db.Runtimes.AsNoTracking().Where(r => r.ReportedGeneration < baseGeneration);
}
