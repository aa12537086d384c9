using MassTransit.Context;
using MassTransit.EntityFrameworkCoreIntegration.Saga;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>One event's access to the instances of its saga, within one transaction.</summary>
internal sealed class EntityFrameworkSagaRepositoryContext<TSaga, TMessage>(
    DbContext context, ISagaRepositoryLockStrategy<TSaga> strategy, ConsumeContext<TMessage> consumeContext,
    ISagaConsumeContextFactory<DbContext, TSaga> factory)
    : ConsumeContextScope<TMessage>(consumeContext, context), SagaRepositoryContext<TSaga, TMessage>
    where TSaga : class, ISaga
    where TMessage : class
{
    public Task<SagaConsumeContext<TSaga, TMessage>> Add(TSaga instance) =>
        CreateSagaConsumeContext(this, instance, SagaConsumeContextMode.Add);

    public async Task<SagaConsumeContext<TSaga, TMessage>> Insert(TSaga instance)
    {
        context.Add(instance);
        try
        {
            await context.SaveChangesAsync(CancellationToken);
        }
        catch (DbUpdateException)
        {
            // There already (EF Core went back to its savepoint, so the transaction lives on): the caller loads it then.
            context.Entry(instance).State = EntityState.Detached;
            return null!;
        }

        return await CreateSagaConsumeContext(this, instance, SagaConsumeContextMode.Insert);
    }

    public async Task<SagaConsumeContext<TSaga, TMessage>> Load(Guid correlationId) =>
        await strategy.Load(context, correlationId, CancellationToken) is { } instance
            ? await CreateSagaConsumeContext(this, instance, SagaConsumeContextMode.Load)
            : null!;

    public Task Save(SagaConsumeContext<TSaga> saga)
    {
        context.Add(saga.Saga);
        return SaveChangesAsync();
    }

    public Task Update(SagaConsumeContext<TSaga> saga) => SaveChangesAsync();

    public Task Delete(SagaConsumeContext<TSaga> saga)
    {
        context.Remove(saga.Saga);
        return SaveChangesAsync();
    }

    // Added and completed by one event: it was never stored.
    public Task Discard(SagaConsumeContext<TSaga> saga) => Task.CompletedTask;

    public Task Undo(SagaConsumeContext<TSaga> saga)
    {
        var entry = context.Entry(saga.Saga);
        if (entry.State is EntityState.Modified)
        {
            entry.CurrentValues.SetValues(entry.OriginalValues);
            entry.State = EntityState.Unchanged;
        }

        return Task.CompletedTask;
    }

    public Task<SagaConsumeContext<TSaga, T>> CreateSagaConsumeContext<T>(
        ConsumeContext<T> consumeContext, TSaga instance, SagaConsumeContextMode mode)
        where T : class =>
        factory.CreateSagaConsumeContext(context, consumeContext, instance, mode);

    // If it fails, the transaction goes: a savepoint would cost two round trips for nothing.
    private async Task SaveChangesAsync()
    {
        var savepoints = context.Database.AutoSavepointsEnabled;
        context.Database.AutoSavepointsEnabled = false;
        try
        {
            await context.SaveChangesAsync(CancellationToken);
        }
        finally
        {
            context.Database.AutoSavepointsEnabled = savepoints;
        }
    }
}
