using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Gives a saga repository its DbContexts.</summary>
/// <typeparam name="TSaga">The saga.</typeparam>
public interface ISagaDbContextFactory<TSaga> where TSaga : class, ISaga
{
    /// <summary>A DbContext to read with, outside a message.</summary>
    /// <returns>The DbContext; <see cref="ReleaseAsync"/> takes it back.</returns>
    DbContext Create();

    /// <summary>A DbContext to handle a message with.</summary>
    /// <param name="context">The message.</param>
    /// <typeparam name="T">The message.</typeparam>
    /// <returns>The DbContext; <see cref="ReleaseAsync"/> takes it back.</returns>
    DbContext CreateScoped<T>(ConsumeContext<T> context) where T : class;

    /// <summary>Takes back a DbContext that is no longer needed.</summary>
    /// <param name="dbContext">What this factory has given.</param>
    ValueTask ReleaseAsync(DbContext dbContext);
}

/// <summary>The DbContext of the scope, which the scope disposes.</summary>
internal sealed class ContainerSagaDbContextFactory<TContext, TSaga>(TContext dbContext) : ISagaDbContextFactory<TSaga>
    where TContext : DbContext
    where TSaga : class, ISaga
{
    public DbContext Create() => dbContext;

    public DbContext CreateScoped<T>(ConsumeContext<T> context) where T : class => dbContext;

    public ValueTask ReleaseAsync(DbContext dbContext) => ValueTask.CompletedTask;
}

/// <summary>A DbContext of its own for each message and each reading.</summary>
internal sealed class DelegateSagaDbContextFactory<TSaga>(Func<DbContext> create) : ISagaDbContextFactory<TSaga>
    where TSaga : class, ISaga
{
    public DbContext Create() => create();

    public DbContext CreateScoped<T>(ConsumeContext<T> context) where T : class => create();

    public ValueTask ReleaseAsync(DbContext dbContext) => dbContext.DisposeAsync();
}
