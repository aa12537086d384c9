using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Operations;

/// <summary>What a restored backup needs before a Director may work on it.</summary>
/// <param name="Base">Every generation is at least this now.</param>
/// <param name="Runtimes">Runtimes of the fleet; each is sent the whole.</param>
/// <param name="Retired">Former runtimes, which go on from there if they come back.</param>
internal sealed record RestoreResult(long Base, int Runtimes, int Retired);

/// <summary>Puts all generations above whatever was sent after the backup was made.</summary>
/// <remarks>Agents ignore what is below the generation that they handled last, and the restored database may know only lower
/// ones. What was sent last stays as it is stored, which is below: so every runtime counts as one that was not sent what it is
/// assigned, and gets the whole.</remarks>
internal sealed class RestoreStep(DirectorDbContext db, TimeProvider clock)
{
    /// <summary>Does it in one transaction. Commits.</summary>
    public async Task<RestoreResult> RunAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await db.Database.ExecuteSqlRawAsync(
            $"SELECT runtime_id FROM runtimes ORDER BY runtime_id{db.ForUpdate()}", cancellationToken);

        // The clock, not the tables, says how far: a second restore of the same backup must get a higher base. The tables
        // only keep it from going back.
        var last = await db.Restorations.MaxAsync(r => (long?)r.BaseGeneration, cancellationToken) ?? 0;
        var generation = Math.Max(now.ToUnixTimeMilliseconds(), last + 1);
        var runtimes = await db.Database.ExecuteSqlRawAsync(
            """
            UPDATE runtimes SET
                generation = CASE WHEN generation < @base THEN @base ELSE generation + 1 END,
                heal_not_before = NULL, heal_back_off = 0
            """, [db.Parameter("base", generation)], cancellationToken);
        var retired = await db.Database.ExecuteSqlRawAsync(
            "UPDATE retired_runtimes SET generation = CASE WHEN generation < @base THEN @base ELSE generation END",
            [db.Parameter("base", generation)], cancellationToken);
        db.Restorations.Add(new Restoration { BaseGeneration = generation, RestoredAt = now });
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return new RestoreResult(generation, runtimes, retired);
    }
}
