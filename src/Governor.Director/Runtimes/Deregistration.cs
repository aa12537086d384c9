using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Runtimes;

/// <summary>Takes runtimes out of the fleet: they are assigned nothing, report that nothing is left, and go.</summary>
internal sealed partial class Deregistration(
    DirectorDbContext db, Assigner assigner, IPublishEndpoint bus, TimeProvider clock, ILogger<Deregistration> logger)
{
    /// <summary>Begins to take a runtime out, or, by force, takes it out at once. Commits.</summary>
    /// <returns>Null, or why it is refused: there is no such runtime, or it is not at the version that the client expects.</returns>
    public async Task<Refusal?> BeginAsync(
        string tenant, string runtimeId, bool force, int? expectedVersion, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        await using var transaction = await db.JoinTransactionAsync(cancellationToken);
        if (!await db.Runtimes.AnyAsync(r => r.RuntimeId == runtimeId && r.Tenant == tenant, cancellationToken))
            return FleetRegistry.NotFound(runtimeId);

        var open = await db.Targets.AsNoTracking()
            .Where(t => t.RuntimeId == runtimeId)
            .Join(db.Rollouts.Where(r => r.EndedAt == null), t => t.RolloutId, r => r.CorrelationId, (t, _) => t.RolloutId)
            .ToListAsync(cancellationToken);
        await db.LockWavesAsync(open, cancellationToken);
        var targets = await db.LockTargetsOfAsync(open, [runtimeId], cancellationToken);
        var fleet = await assigner.LockAsync([runtimeId], cancellationToken);
        if (fleet.Find(runtimeId) is not { } member)
            return FleetRegistry.NotFound(runtimeId);
        if (expectedVersion is { } expected && !Expectation.Holds(expected, member.Runtime.Version))
            return FleetRegistry.Lost(member.Runtime);

        var changes = new TargetChanges(db, now);
        foreach (var target in targets.Where(t => !t.IsDone))
            changes.Move(target, TargetState.Removed, "deregistered");
        foreach (var rolloutId in changes.Rollouts)
            await bus.Publish(new TargetsProgressed(rolloutId), cancellationToken);
        await changes.SaveAsync(cancellationToken);

        if (force)
            await RemoveAsync([member.Runtime], cancellationToken);
        else if (member.Runtime.State != RuntimeState.Deregistering)
            await AssignNothingAsync(member, now, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return null;
    }

    /// <summary>Lets those go that were told to hold nothing, and report that they do. Within the caller's transaction.</summary>
    public Task CompleteAsync(
        FleetSlice fleet, IEnumerable<RuntimeReported> reports, CancellationToken cancellationToken) =>
        RemoveAsync(
            [
                .. reports
                    .Where(r => r.Configurations.Count == 0 && r.Credentials.Count == 0
                        && fleet.Find(r.RuntimeId)!.Runtime is { State: RuntimeState.Deregistering, GoneGeneration: { } gone }
                        && r.Generation >= gone)
                    .Select(r => fleet.Find(r.RuntimeId)!.Runtime),
            ],
            cancellationToken);

    private async Task AssignNothingAsync(FleetMember member, DateTimeOffset now, CancellationToken cancellationToken)
    {
        foreach (var configuration in member.Assignments.Keys.Where(i => !Items.IsCredential(i)))
            member.Assign(configuration, null);
        await assigner.SendAsync([member], new SendCause(), cancellationToken);
        await db.Runtimes.Where(r => r.RuntimeId == member.Runtime.RuntimeId).ExecuteUpdateAsync(
            set => set.SetProperty(r => r.State, RuntimeState.Deregistering).SetProperty(r => r.StateSince, now)
                .SetProperty(r => r.GoneGeneration, member.Runtime.Generation)
                .SetProperty(r => r.Version, r => r.Version + 1),
            cancellationToken);
    }

    private async Task RemoveAsync(IReadOnlyCollection<Runtime> runtimes, CancellationToken cancellationToken)
    {
        var retired = new RowSet(db, ("runtime_id", ColumnType.Text), ("generation", ColumnType.Integer));
        foreach (var runtime in runtimes)
        {
            retired.Add(runtime.RuntimeId, runtime.Generation);
            await bus.Publish(new DeprovisionRuntime(runtime.RuntimeId), cancellationToken);
            LogGone(runtime.RuntimeId);
        }

        await retired.ExecuteAsync(
            """
            INSERT INTO retired_runtimes (runtime_id, generation) SELECT x.runtime_id, x.generation FROM {rows} WHERE true
            ON CONFLICT (runtime_id) DO UPDATE SET generation = excluded.generation
            """, cancellationToken);
        var ids = runtimes.Select(r => r.RuntimeId).ToList();
        if (ids.Count == 0)
            return;

        await db.Assignments.Where(a => ids.Contains(a.RuntimeId)).ExecuteDeleteAsync(cancellationToken);
        await db.ReportItems.Where(i => ids.Contains(i.RuntimeId)).ExecuteDeleteAsync(cancellationToken);
        await db.Rejections.Where(r => ids.Contains(r.RuntimeId)).ExecuteDeleteAsync(cancellationToken);
        await db.Findings.Where(f => ids.Contains(f.RuntimeId)).ExecuteDeleteAsync(cancellationToken);
        await db.Runtimes.Where(r => ids.Contains(r.RuntimeId)).ExecuteDeleteAsync(cancellationToken);
    }

    [LoggerMessage(2301, LogLevel.Information, "Runtime {RuntimeId} has left the fleet")]
    private partial void LogGone(string runtimeId);
}
