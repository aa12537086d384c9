using MassTransit.EntityFrameworkCoreIntegration.Saga;
using MassTransit.Middleware;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Gives events access to their saga's instances, in the consumer outbox's transaction or in one of its own.</summary>
internal sealed class SagaRepositoryContextFactory<TSaga>(
    ISagaDbContextFactory<TSaga> dbContexts, ISagaRepositoryLockStrategy<TSaga> strategy, ISagaConsumeContextFactory<DbContext, TSaga> factory)
    : ISagaRepositoryContextFactory<TSaga>, ILoadSagaRepositoryContextFactory<TSaga>, IQuerySagaRepositoryContextFactory<TSaga>
    where TSaga : class, ISaga
{
    public Task Send<T>(ConsumeContext<T> context, IPipe<SagaRepositoryContext<TSaga, T>> next) where T : class =>
        InTransactionAsync(context, dbContext => next.Send(Create(dbContext, context)));

    public Task SendQuery<T>(ConsumeContext<T> context, ISagaQuery<TSaga> query, IPipe<SagaRepositoryQueryContext<TSaga, T>> next)
        where T : class =>
        InTransactionAsync(context, async dbContext =>
        {
            var ids = await FindAsync(dbContext, query, context.CancellationToken);
            await next.Send(new DefaultSagaRepositoryQueryContext<TSaga, T>(Create(dbContext, context), ids));
        });

    public Task<T> Execute<T>(Func<LoadSagaRepositoryContext<TSaga>, Task<T>> asyncMethod, CancellationToken cancellationToken = default)
        where T : class =>
        ReadAsync(dbContext => asyncMethod(new ReadContext(dbContext, cancellationToken)));

    public Task<T> Execute<T>(Func<QuerySagaRepositoryContext<TSaga>, Task<T>> asyncMethod, CancellationToken cancellationToken = default)
        where T : class =>
        ReadAsync(dbContext => asyncMethod(new ReadContext(dbContext, cancellationToken)));

    public void Probe(ProbeContext context) =>
        context.CreateScope("sagaRepository").Add("persistence", "entityFrameworkCore");

    private EntityFrameworkSagaRepositoryContext<TSaga, T> Create<T>(DbContext dbContext, ConsumeContext<T> context) where T : class =>
        new(dbContext, strategy, context, factory);

    // In one order, so that two queries which lock the same instances cannot wait for each other.
    private static Task<List<Guid>> FindAsync(DbContext dbContext, ISagaQuery<TSaga> query, CancellationToken cancellationToken) =>
        dbContext.Set<TSaga>().AsNoTracking().Where(query.FilterExpression)
            .Select(saga => saga.CorrelationId).OrderBy(id => id).ToListAsync(cancellationToken);

    private async Task InTransactionAsync<T>(ConsumeContext<T> context, Func<DbContext, Task> action) where T : class
    {
        var dbContext = dbContexts.CreateScoped(context);
        try
        {
            if (dbContext.Database.CurrentTransaction is not null)
                await action(dbContext);
            else
                await dbContext.InTransactionAsync(strategy.IsolationLevel, async () =>
                {
                    await action(dbContext);
                    return true;
                }, context.CancellationToken);
        }
        finally
        {
            await dbContexts.ReleaseAsync(dbContext);
        }
    }

    private async Task<T> ReadAsync<T>(Func<DbContext, Task<T>> read)
    {
        var dbContext = dbContexts.Create();
        try
        {
            return await read(dbContext);
        }
        finally
        {
            await dbContexts.ReleaseAsync(dbContext);
        }
    }

    /// <summary>Reads instances outside a message, without locks.</summary>
    private sealed class ReadContext(DbContext dbContext, CancellationToken cancellationToken)
        : BasePipeContext(cancellationToken), LoadSagaRepositoryContext<TSaga>, QuerySagaRepositoryContext<TSaga>
    {
        public async Task<TSaga> Load(Guid correlationId) =>
            (await dbContext.Set<TSaga>().AsNoTracking()
                .FirstOrDefaultAsync(saga => saga.CorrelationId == correlationId, CancellationToken))!;

        public async Task<SagaRepositoryQueryContext<TSaga>> Query(ISagaQuery<TSaga> query, CancellationToken cancellationToken = default) =>
            new DefaultSagaRepositoryQueryContext<TSaga>(this, await FindAsync(dbContext, query, cancellationToken));
    }
}
