using Governor.Contracts;
using Governor.Director.Persistence;
using Governor.Messaging;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Runtimes;

/// <summary>Makes queues and bindings of runtimes, then lets them be sent to. Repeatable: it declares and binds without
/// asking whether the queue exists.</summary>
internal sealed partial class ProvisionRuntimesConsumer(
    IRuntimeProvisioner provisioner, IServiceScopeFactory scopes, TimeProvider clock,
    ILogger<ProvisionRuntimesConsumer> logger) : IConsumer<ProvisionRuntimes>
{
    /// <summary>Name of the queue.</summary>
    public const string Queue = "governor-provisioning";

    public async Task Consume(ConsumeContext<ProvisionRuntimes> context)
    {
        var cancellationToken = context.CancellationToken;

        // Talking to the broker comes first and outside of the transaction: locks are held over database work only.
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<DirectorDbContext>();
        var asked = context.Message.RuntimeIds;
        var known = await db.Runtimes.AsNoTracking().Where(r => asked.Contains(r.RuntimeId))
            .Select(r => r.RuntimeId).ToListAsync(cancellationToken);
        if (known.Count == 0)
            return;

        var refused = await ProvisionAsync(known, cancellationToken);
        known.RemoveAll(refused.Contains);
        var bus = scope.ServiceProvider.GetRequiredService<IPublishEndpoint>();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var progressed = await scope.ServiceProvider.GetRequiredService<Readiness>().ServeAsync(
            known, clock.GetUtcNow(), cancellationToken);
        foreach (var rolloutId in progressed)
            await bus.Publish(new TargetsProgressed(rolloutId), cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Provisions; those that the broker refuses stay as they are, and the drift job tries them again.</summary>
    private async Task<IReadOnlySet<string>> ProvisionAsync(List<string> runtimeIds, CancellationToken cancellationToken)
    {
        try
        {
            await provisioner.ProvisionAsync(runtimeIds, cancellationToken);
            return new HashSet<string>();
        }
        catch (RuntimeProvisioningException e)
        {
            LogRefused(e.Message);
            return e.Refused.Keys.ToHashSet(StringComparer.Ordinal);
        }
    }

    [LoggerMessage(2304, LogLevel.Error, "Some runtimes could not be provisioned, the others were: {Problem}")]
    private partial void LogRefused(string problem);
}

/// <summary>Removes the queue of a runtime that has left, unless it was registered again.</summary>
internal sealed class DeprovisionRuntimeConsumer(
    IRuntimeProvisioner provisioner, IServiceScopeFactory scopes) : IConsumer<DeprovisionRuntime>
{
    public async Task Consume(ConsumeContext<DeprovisionRuntime> context)
    {
        var runtimeId = context.Message.RuntimeId;
        if (await IsRegisteredAsync(runtimeId, context.CancellationToken))
            return;

        await provisioner.DeprovisionAsync(runtimeId, context.CancellationToken);

        // Registered in between: its queue may have been made before this took it away.
        if (await IsRegisteredAsync(runtimeId, context.CancellationToken))
            await provisioner.ProvisionAsync([runtimeId], context.CancellationToken);
    }

    private async Task<bool> IsRegisteredAsync(string runtimeId, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<DirectorDbContext>().Runtimes
            .AnyAsync(r => r.RuntimeId == runtimeId, cancellationToken);
    }
}
