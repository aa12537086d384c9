using Governor.Contracts;
using Governor.Director.Persistence;
using Governor.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Runtimes;

/// <summary>Notices that the broker was wiped: the mark that it had is gone. All runtimes are provisioned again, and only
/// when that is committed the mark is made; whoever dies in between leaves it to the next one.</summary>
internal sealed partial class BrokerMark(
    DirectorDbContext db, IRuntimeProvisioner provisioner, IPublishEndpoint bus, ILogger<BrokerMark> logger)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Looks for the mark, and provisions the whole fleet if it is gone. A broker that does not answer is looked at
    /// the next time.</summary>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            if (await provisioner.IsMarkedAsync(limit.Token))
                return;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            LogNoAnswer(e.Message);
            return;
        }

        await ProvisionAllAsync(cancellationToken);
        await MarkAsync(cancellationToken);
    }

    private async Task ProvisionAllAsync(CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var all = await db.Runtimes.AsNoTracking().OrderBy(r => r.RuntimeId).Select(r => r.RuntimeId).ToListAsync(cancellationToken);
        if (all.Count > 0)
            LogWiped(all.Count);
        foreach (var chunk in all.Chunk(FleetRegistry.MaxBatch))
            await bus.Publish(new ProvisionRuntimes(chunk), cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private async Task MarkAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            await provisioner.MarkAsync(limit.Token);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            LogNoAnswer(e.Message);
        }
    }

    [LoggerMessage(2306, LogLevel.Warning,
        "The broker lacks its mark: it was wiped, or is a new one. Queues and bindings of all {Count} runtime(s) are made again")]
    private partial void LogWiped(int count);

    [LoggerMessage(2307, LogLevel.Warning, "The broker was not asked for its mark ({Problem}); the next drift run does so")]
    private partial void LogNoAnswer(string problem);
}
