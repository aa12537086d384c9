using MassTransit.Middleware;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Gives events access to their saga's instances, in the consumer outbox's transaction or in one of its own.</summary>
internal sealed class SagaRepositoryContextFactory<TDbContext, TSaga>(
    TDbContext dbContext, SagaRepositoryOptions<TSaga, TDbContext> options, ISagaConsumeContextFactory<TDbContext, TSaga> factory)
    : ISagaRepositoryContextFactory<TSaga>, ILoadSagaRepositoryContextFactory<TSaga>, IQuerySagaRepositoryContextFactory<TSaga>
    where TDbContext : DbContext
    where TSaga : class, ISaga
{
    public Task Send<T>(ConsumeContext<T> context, IPipe<SagaRepositoryContext<TSaga, T>> next) where T : class =>
        InTransactionAsync(() => next.Send(Create(context)), context.CancellationToken);

    public Task SendQuery<T>(ConsumeContext<T> context, ISagaQuery<TSaga> query, IPipe<SagaRepositoryQueryContext<TSaga, T>> next)
        where T : class =>
        InTransactionAsync(async () =>
        {
            var ids = await FindAsync(dbContext, query, context.CancellationToken);
            await next.Send(new DefaultSagaRepositoryQueryContext<TSaga, T>(Create(context), ids));
        }, context.CancellationToken);

    public Task<T> Execute<T>(Func<LoadSagaRepositoryContext<TSaga>, Task<T>> asyncMethod, CancellationToken cancellationToken = default)
        where T : class =>
        asyncMethod(new ReadContext(dbContext, cancellationToken));

    public Task<T> Execute<T>(Func<QuerySagaRepositoryContext<TSaga>, Task<T>> asyncMethod, CancellationToken cancellationToken = default)
        where T : class =>
        asyncMethod(new ReadContext(dbContext, cancellationToken));

    public void Probe(ProbeContext context) =>
        context.CreateScope("sagaRepository").Add("persistence", "entityFrameworkCore");

    private SagaRepositoryContext<TDbContext, TSaga, T> Create<T>(ConsumeContext<T> context) where T : class =>
        new(dbContext, options.Loader, context, factory);

    // In one order, so that two queries which lock the same instances cannot wait for each other.
    private static Task<List<Guid>> FindAsync(TDbContext dbContext, ISagaQuery<TSaga> query, CancellationToken cancellationToken) =>
        dbContext.Set<TSaga>().AsNoTracking().Where(query.FilterExpression)
            .Select(saga => saga.CorrelationId).OrderBy(id => id).ToListAsync(cancellationToken);

    private async Task InTransactionAsync(Func<Task> action, CancellationToken cancellationToken)
    {
        if (dbContext.Database.CurrentTransaction is not null)
        {
            await action();
            return;
        }

        try
        {
            await using var transaction = await dbContext.Database.BeginTransactionAsync(options.IsolationLevel, cancellationToken);
            await action();
            await transaction.CommitAsync(cancellationToken);
        }
        catch
        {
            dbContext.ChangeTracker.Clear();
            throw;
        }
    }

    /// <summary>Reads instances outside a message, without locks.</summary>
    private sealed class ReadContext(TDbContext dbContext, CancellationToken cancellationToken)
        : BasePipeContext(cancellationToken), LoadSagaRepositoryContext<TSaga>, QuerySagaRepositoryContext<TSaga>
    {
        public async Task<TSaga> Load(Guid correlationId) =>
            (await dbContext.Set<TSaga>().AsNoTracking()
                .FirstOrDefaultAsync(saga => saga.CorrelationId == correlationId, CancellationToken))!;

        public async Task<SagaRepositoryQueryContext<TSaga>> Query(ISagaQuery<TSaga> query, CancellationToken cancellationToken = default) =>
            new DefaultSagaRepositoryQueryContext<TSaga>(this, await FindAsync(dbContext, query, cancellationToken));
    }
}
