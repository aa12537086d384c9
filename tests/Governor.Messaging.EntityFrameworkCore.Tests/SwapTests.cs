using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.EntityFrameworkCoreIntegration.Saga;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>Code as users of MassTransit's own package have it: it compiles, and the container can be built.</summary>
public sealed class SwapTests
{
    [Fact]
    public async Task Given_code_written_for_the_official_package_Then_it_registers()
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddDbContext<PlainDbContext>(options => options.UseNpgsql("Host=unused"));
        services.AddDbContext<TripDbContext>(options => options.UseNpgsql("Host=unused"));
        services.AddMassTransit(x =>
        {
            x.AddEntityFrameworkOutbox<PlainDbContext>(o =>
            {
                o.QueryDelay = TimeSpan.FromSeconds(1);
                o.QueryMessageLimit = 100;
                o.QueryTimeout = TimeSpan.FromSeconds(30);
                o.DuplicateDetectionWindow = TimeSpan.FromMinutes(30);
                o.IsolationLevel = IsolationLevel.RepeatableRead;
                o.LockStatementProvider = new PostgresLockStatementProvider();
                o.UsePostgres();
                o.DisableInboxCleanupService();
                o.UseBusOutbox(bus =>
                {
                    bus.MessageDeliveryLimit = 100;
                    bus.MessageDeliveryTimeout = TimeSpan.FromSeconds(10);
                    bus.DisableDeliveryService();
                });
            });
            x.AddConfigureEndpointsCallback((context, _, cfg) => cfg.UseEntityFrameworkOutbox<PlainDbContext>(context));
            x.AddSagaStateMachine<TripStateMachine, Trip>().EntityFrameworkRepository(r =>
            {
                r.ConcurrencyMode = ConcurrencyMode.Pessimistic;
                r.IsolationLevel = IsolationLevel.ReadCommitted;
                r.LockStatementProvider = new PostgresLockStatementProvider();
                r.CustomizeQuery(trips => trips.Include(trip => trip.Stops));
                r.AddDbContext<DbContext, TripDbContext>((provider, builder) => builder.UseNpgsql("Host=unused"));
                r.ExistingDbContext<TripDbContext>();
                r.UsePostgres();
            });
            x.AddSagaStateMachine<OrderStateMachine, Order>().EntityFrameworkRepository(r =>
            {
                r.SetOptimisticConcurrency();
                r.DatabaseFactory(provider => () => provider.GetRequiredService<TripDbContext>());
            });
            x.UsingInMemory((context, cfg) => cfg.ConfigureEndpoints(context));
        });
        await using var provider = services.BuildServiceProvider(validateScopes: true);
        Assert.NotNull(provider.GetRequiredService<IBus>());
    }

    [Fact]
    public void Given_its_model_Then_the_tables_have_the_columns_that_users_have_in_their_databases()
    {
        using var context = new PlainDbContext(new DbContextOptionsBuilder<PlainDbContext>().UseNpgsql("Host=unused").Options);
        string[] Columns<T>() => [.. context.Model.FindEntityType(typeof(T))!.GetProperties().Select(property => property.GetColumnName()).Order()];
        Assert.Equal("InboxState", context.Model.FindEntityType(typeof(InboxState))!.GetTableName());
        Assert.Equal(
            ["Consumed", "ConsumerId", "Delivered", "ExpirationTime", "Id", "LastSequenceNumber", "LockId", "MessageId", "ReceiveCount", "Received", "RowVersion"],
            Columns<InboxState>());
        Assert.Equal(["Created", "Delivered", "LastSequenceNumber", "LockId", "OutboxId", "RowVersion"], Columns<OutboxState>());
        Assert.Equal(
            ["Body", "ContentType", "ConversationId", "CorrelationId", "DestinationAddress", "EnqueueTime", "ExpirationTime", "FaultAddress", "Headers",
                "InboxConsumerId", "InboxMessageId", "InitiatorId", "MessageId", "MessageType", "OutboxId", "Properties", "RequestId",
                "ResponseAddress", "SentTime", "SequenceNumber", "SourceAddress"],
            Columns<OutboxMessage>());
    }

    [Theory]
    [InlineData(nameof(IEntityFrameworkOutboxConfigurator.QueryDelay))]
    [InlineData(nameof(IEntityFrameworkOutboxConfigurator.QueryMessageLimit))]
    [InlineData(nameof(IEntityFrameworkOutboxConfigurator.DuplicateDetectionWindow))]
    [InlineData(nameof(IEntityFrameworkOutboxConfigurator.LockStatementProvider))]
    public void Given_a_setting_that_cannot_work_Then_the_registration_says_so(string setting)
    {
        var exception = Assert.Throws<ConfigurationException>(() => new ServiceCollection().AddMassTransit(x =>
            x.AddEntityFrameworkOutbox<PlainDbContext>(o =>
            {
                if (setting != nameof(IEntityFrameworkOutboxConfigurator.LockStatementProvider))
                    o.UsePostgres();
                if (setting == nameof(IEntityFrameworkOutboxConfigurator.QueryDelay))
                    o.QueryDelay = TimeSpan.Zero;
                if (setting == nameof(IEntityFrameworkOutboxConfigurator.QueryMessageLimit))
                    o.QueryMessageLimit = 0;
                if (setting == nameof(IEntityFrameworkOutboxConfigurator.DuplicateDetectionWindow))
                    o.DuplicateDetectionWindow = TimeSpan.FromSeconds(-1);
            })));
        Assert.Contains(nameof(PlainDbContext), exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Given_the_parts_of_saga_repositories_Then_they_can_be_put_together_by_hand()
    {
        var locks = new PostgresLockStatementProvider("sagas");
        var pessimistic = new PessimisticSagaRepositoryLockStrategy<Trip>(new PessimisticLoadQueryExecutor<Trip>(locks), IsolationLevel.ReadCommitted);
        var optimistic = new OptimisticSagaRepositoryLockStrategy<Trip>(new OptimisticLoadQueryExecutor<Trip>());
        Assert.Equal((IsolationLevel.ReadCommitted, IsolationLevel.ReadCommitted), (pessimistic.IsolationLevel, optimistic.IsolationLevel));
        using var context = new TripDbContext(new DbContextOptionsBuilder<TripDbContext>().UseNpgsql("Host=unused").Options);
        Assert.Equal("SELECT *, xmin FROM \"sagas\".\"trips\" WHERE \"c_id\" = {0} FOR UPDATE", locks.GetRowLockStatement<Trip>(context));
        using var plain = new PlainDbContext(new DbContextOptionsBuilder<PlainDbContext>().UseNpgsql("Host=unused").Options);
        Assert.Equal("SELECT * FROM \"OutboxState\" ORDER BY \"Created\" LIMIT 1 FOR UPDATE SKIP LOCKED",
            new PostgresLockStatementProvider().GetOutboxStatement(plain));
    }
}
