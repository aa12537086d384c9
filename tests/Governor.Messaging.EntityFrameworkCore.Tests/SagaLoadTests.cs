using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.EntityFrameworkCoreIntegration.Saga;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedSagaLoadTests(EmbeddedBackend backend) : SagaLoadTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersSagaLoadTests(ServersBackend backend) : SagaLoadTests(backend), IClassFixture<ServersBackend>;

/// <summary>Loading under a row lock, whose query is compiled once and runs in many DbContexts.</summary>
public abstract class SagaLoadTests(Backend backend)
{
    [Fact]
    public async Task Given_many_instances_Then_each_load_gives_the_one_that_was_asked_for_and_tracks_it()
    {
        var executor = new PessimisticLoadQueryExecutor<Order>(backend.Locks);
        var orders = await StoreAsync("ann", "bob", "eve");
        foreach (var order in orders)
        {
            await using var context = backend.CreateContext();
            var loaded = await LoadAsync(executor, context, order.CorrelationId);
            Assert.Equal(order.Customer, loaded?.Customer);
            Assert.Equal(EntityState.Unchanged, context.Entry(loaded!).State);
            Assert.Null(await LoadAsync(executor, context, NewId.NextGuid()));
        }
    }

    [Fact]
    public async Task Given_an_instance_that_was_read_before_the_lock_Then_it_is_read_again()
    {
        var order = Assert.Single(await StoreAsync("ann"));
        await using var context = backend.CreateContext();
        await context.Orders.SingleAsync(o => o.CorrelationId == order.CorrelationId);
        await using (var other = backend.CreateContext())
            await other.Orders.Where(o => o.CorrelationId == order.CorrelationId).ExecuteUpdateAsync(o => o.SetProperty(x => x.Items, 7));

        var loaded = await LoadAsync(new PessimisticLoadQueryExecutor<Order>(backend.Locks), context, order.CorrelationId);
        Assert.Equal(7, loaded?.Items);
    }

    [Fact]
    public async Task Given_an_instance_that_the_scope_has_changed_Then_its_changes_are_kept()
    {
        var order = Assert.Single(await StoreAsync("ann"));
        await using var context = backend.CreateContext();
        var changed = await context.Orders.SingleAsync(o => o.CorrelationId == order.CorrelationId);
        changed.Items = 3;

        var loaded = await LoadAsync(new PessimisticLoadQueryExecutor<Order>(backend.Locks), context, order.CorrelationId);
        Assert.Same(changed, loaded);
        Assert.Equal(3, changed.Items);
    }

    [Fact]
    public async Task Given_a_provider_that_changes_its_statement_Then_the_new_one_is_used()
    {
        var locks = new Numbering(backend.Locks);
        var executor = new PessimisticLoadQueryExecutor<Order>(locks);
        var order = Assert.Single(await StoreAsync("ann"));
        for (var i = 0; i < 3; i++)
        {
            await using var context = backend.CreateContext();
            Assert.Equal(order.CorrelationId, (await LoadAsync(executor, context, order.CorrelationId))?.CorrelationId);
        }

        locks.Nothing = true;
        await using var last = backend.CreateContext();
        Assert.Null(await LoadAsync(executor, last, order.CorrelationId));
    }

    [Fact]
    public async Task Given_a_query_filter_by_a_field_of_the_DbContext_Then_each_DbContext_filters_by_its_own()
    {
        var executor = new PessimisticLoadQueryExecutor<Order>(backend.Locks);
        var orders = await StoreAsync("ann", "bob");
        foreach (var order in orders)
        {
            var options = new DbContextOptionsBuilder<FilteredDbContext>();
            backend.UseDatabase(options);
            await using var context = new FilteredDbContext(options.Options, order.Customer!);
            foreach (var any in orders)
                Assert.Equal(any == order, await LoadAsync(executor, context, any.CorrelationId) is not null);
        }
    }

    private async Task<Order[]> StoreAsync(params string[] customers)
    {
        var orders = customers.Select(customer => new Order { CorrelationId = NewId.NextGuid(), CurrentState = "Open", Customer = customer }).ToArray();
        await using var context = backend.CreateContext();
        context.AddRange(orders);
        await context.SaveChangesAsync(TestContext.Current.CancellationToken);
        return orders;
    }

    private static async Task<Order?> LoadAsync(PessimisticLoadQueryExecutor<Order> executor, DbContext context, Guid id)
    {
        await using var transaction = await context.Database.BeginTransactionAsync(TestContext.Current.CancellationToken);
        var order = await executor.Load(context, id, TestContext.Current.CancellationToken);
        await transaction.CommitAsync(TestContext.Current.CancellationToken);
        return order;
    }

    /// <summary>Every statement differs from the one before.</summary>
    private sealed class Numbering(ILockStatementProvider inner) : ILockStatementProvider
    {
        private int _count;

        public bool Nothing { get; set; }

        public string GetRowLockStatement<T>(DbContext context) where T : class =>
            $"/* {_count++} */ " + inner.GetRowLockStatement<T>(context).Replace("{0}", Nothing ? "{0} AND 1 = 0" : "{0}", StringComparison.Ordinal);

        public string GetRowLockStatement<T>(DbContext context, params string[] propertyNames) where T : class =>
            inner.GetRowLockStatement<T>(context, propertyNames);

        public string GetOutboxStatement(DbContext context) => inner.GetOutboxStatement(context);
    }

    private sealed class FilteredDbContext(DbContextOptions<FilteredDbContext> options, string customer) : DbContext(options)
    {
        private readonly string _customer = customer;

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            var order = modelBuilder.Entity<Order>();
            order.ToTable("t_orders").HasKey(o => o.CorrelationId);
            order.HasQueryFilter(o => o.Customer == _customer);
            foreach (var property in order.Metadata.GetProperties())
                property.SetColumnName("c_" + property.Name.ToLowerInvariant());
        }
    }
}
