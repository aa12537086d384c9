using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Local;

/// <summary>The transport forgets on exit, so at start everything unfinished gets its message again: rollouts, runtimes on
/// their way in or out, and what was dispatched and not answered.</summary>
internal static class EmbeddedRecovery
{
    public static async Task RunAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var db = services.GetRequiredService<DirectorDbContext>();
        var bus = services.GetRequiredService<IPublishEndpoint>();
        var assigner = services.GetRequiredService<Assigner>();

        // Nobody listened since the last exit: until an Agent has had its time to report again, it is not away.
        await db.BeatAsync(services.GetRequiredService<TimeProvider>().GetUtcNow(), cancellationToken);

        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var unfinished = await db.Targets.AsNoTracking()
            .Where(t => t.State == TargetState.Dispatched && db.Rollouts.Any(r => r.CorrelationId == t.RolloutId && r.EndedAt == null))
            .Select(t => t.RuntimeId)
            .Union(db.Runtimes.Where(r => r.State == RuntimeState.Deregistering).Select(r => r.RuntimeId))
            .ToListAsync(cancellationToken);
        var fleet = await assigner.LockAsync(unfinished, cancellationToken);
        await assigner.SendAsync([.. fleet.Members.Values], new SendCause(), cancellationToken);

        var provisioning = await db.Runtimes.AsNoTracking().Where(r => r.State == RuntimeState.Provisioning)
            .Select(r => r.RuntimeId).ToListAsync(cancellationToken);
        if (provisioning.Count > 0)
            await bus.Publish(new ProvisionRuntimes(provisioning), cancellationToken);
        var open = await db.Rollouts.AsNoTracking().Where(r => r.EndedAt == null)
            .Select(r => r.CorrelationId).ToListAsync(cancellationToken);
        foreach (var rolloutId in open)
            await bus.Publish(new TargetsProgressed(rolloutId), cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}
