using System.Data;
using System.Text;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedSagaMappingTests(EmbeddedBackend backend) : SagaMappingTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersSagaMappingTests(ServersBackend backend) : SagaMappingTests(backend), IClassFixture<ServersBackend>;

/// <summary>The ways in which an application maps its sagas and gives them a repository.</summary>
public abstract class SagaMappingTests(Backend backend)
{
    private readonly Guid _trip = NewId.NextGuid();

    public enum Registration
    {
        ExistingDbContext,
        PooledDbContext,
        AddDbContext,
        DatabaseFactory,
        Provider,
        RetryingDbContext,
        WithoutContainer,
        WithoutContainerOptimistic,
    }

    public static TheoryData<Registration> Registrations => [.. Enum.GetValues<Registration>()];

    [Theory]
    [MemberData(nameof(Registrations))]
    public async Task Given_a_class_map_When_events_come_Then_the_instance_is_kept_with_what_belongs_to_it(Registration registration)
    {
        await CreateTableAsync();
        await using var host = await StartAsync(registration);
        var bus = host.Service<IBus>();
        await bus.Publish(new TripBooked(_trip, "one"));
        await Eventually.HoldsAsync(async () => (await TripAsync())?.CurrentState == "Booked", "the trip is booked");
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => bus.Publish(new StopAdded(_trip, $"stop {i}"))));
        await Eventually.HoldsAsync(async () => (await TripAsync())?.Stops.Count == 8, "the trip has its stops");
    }

    [Fact]
    public async Task Given_instances_When_they_are_loaded_and_queried_Then_they_are_found()
    {
        await CreateTableAsync();
        await using (var context = Create())
        {
            context.AddRange(
                new Trip { CorrelationId = _trip, CurrentState = "Booked", Traveller = "ann" },
                new Trip { CorrelationId = NewId.NextGuid(), CurrentState = "Booked", Traveller = "bob" });
            await context.SaveChangesAsync();
        }

        await using var host = await StartAsync(Registration.ExistingDbContext);
        await host.InScopeAsync(async (scope, _) =>
        {
            var loaded = await scope.GetRequiredService<ILoadSagaRepository<Trip>>().Load(_trip);
            Assert.Equal("ann", loaded.Traveller);
            var found = await scope.GetRequiredService<IQuerySagaRepository<Trip>>().Find(new SagaQuery<Trip>(trip => trip.Traveller == "ann"));
            Assert.Equal([_trip], found);
        });

        var repository = EntityFrameworkSagaRepository<Trip>.CreatePessimistic(Create);
        Assert.Equal("ann", (await ((ILoadSagaRepository<Trip>)repository).Load(_trip)).Traveller);
        Assert.Equal([_trip], await ((IQuerySagaRepository<Trip>)repository).Find(new SagaQuery<Trip>(trip => trip.Traveller == "ann")));
    }

    [Fact]
    public async Task Given_a_formatter_of_ones_own_Then_the_repository_locks_by_its_statements()
    {
        await CreateTableAsync();
        await using var context = Create();
        var provider = new SqlLockStatementProvider("fallback", new LoudFormatter());
        Assert.Equal("READ fallback.trips BY c_id={0} LOCKED", provider.GetRowLockStatement<Trip>(context));
        Assert.Equal("READ fallback.trips BY Traveller={0}CurrentState={1} LOCKED",
            provider.GetRowLockStatement<Trip>(context, nameof(Trip.Traveller), nameof(Trip.CurrentState)));
    }

    [Fact]
    public async Task Given_a_pessimistic_event_Then_it_costs_a_SELECT_and_an_UPDATE_in_a_transaction_and_nothing_else()
    {
        await using var host = await TestHost.StartAsync(backend,
            bus => bus.AddSagaStateMachine<OrderStateMachine, Order>().EntityFrameworkRepository(repository =>
            {
                repository.ExistingDbContext<TestDbContext>();
                repository.IsolationLevel = IsolationLevel.ReadCommitted;
                backend.UseDatabase(repository);
            }),
            (context, bus, recorder) =>
            {
                bus.ReceiveEndpoint("orders", endpoint => endpoint.ConfigureSaga<Order>(context));
                bus.Record<ItemCounted>(recorder, "counted");
            },
            outbox => outbox.UseBusOutbox(o => o.DisableDeliveryService()));
        var order = NewId.NextGuid();
        await host.Service<IBus>().Publish(new OrderPlaced(order));
        await Eventually.HoldsAsync(() => host.ReadAsync(db => db.Orders.AnyAsync(o => o.CorrelationId == order)), "the order is there");
        host.Commands.Clear();
        await host.Service<IBus>().Publish(new ItemAdded(order, 1));
        await host.Recorder.UntilAsync<ItemCounted>(1);
        await Eventually.HoldsAsync(() => Task.FromResult(host.Commands.Texts.Any(text => text.StartsWith("UPDATE", StringComparison.Ordinal))), "the order is changed");
        // Others look after the inbox meanwhile.
        Assert.Equal(["SELECT", "UPDATE"], host.Commands.Texts.Where(text => text.Contains("t_orders", StringComparison.Ordinal)).Select(text => text[..6]));
    }

    private TripDbContext Create()
    {
        var options = new DbContextOptionsBuilder<TripDbContext>();
        backend.UseDatabase(options);
        return new TripDbContext(options.Options);
    }

    private async Task CreateTableAsync()
    {
        await using var context = Create();
        try
        {
            await context.GetService<IRelationalDatabaseCreator>().CreateTablesAsync();
        }
        catch (Exception)
        {
            // The class's tests share a database: the tables are there.
            await context.Trips.ExecuteDeleteAsync();
        }
    }

    private async Task<Trip?> TripAsync()
    {
        await using var context = Create();
        return await context.Trips.AsNoTracking().Include(trip => trip.Stops).FirstOrDefaultAsync(trip => trip.CorrelationId == _trip);
    }

    private Task<TestHost> StartAsync(Registration registration) => TestHost.StartAsync(backend,
        bus =>
        {
            void Configure(IEntityFrameworkSagaRepositoryConfigurator repository)
            {
                backend.UseDatabase(repository);
                repository.IsolationLevel = IsolationLevel.ReadCommitted;
                switch (registration)
                {
                    case Registration.AddDbContext:
                        repository.AddDbContext<TripDbContext, TripDbContext>((_, options) => backend.UseDatabase(options));
                        break;
                    case Registration.DatabaseFactory:
                        repository.DatabaseFactory(Create);
                        break;
                    default:
                        repository.ExistingDbContext<TripDbContext>();
                        break;
                }
            }

            switch (registration)
            {
                case Registration.PooledDbContext:
                    bus.AddDbContextPool<TripDbContext>(backend.UseDatabase);
                    break;
                case Registration.RetryingDbContext:
                    bus.AddDbContext<TripDbContext>(backend.UseRetryingDatabase);
                    break;
                case not Registration.AddDbContext:
                    bus.AddDbContext<TripDbContext>(backend.UseDatabase);
                    break;
            }

            if (registration is Registration.WithoutContainer or Registration.WithoutContainerOptimistic)
                return;
            if (registration == Registration.Provider)
            {
                bus.SetEntityFrameworkSagaRepositoryProvider(Configure);
                bus.AddSagaStateMachine<TripStateMachine, Trip>();
                return;
            }

            bus.AddSagaStateMachine<TripStateMachine, Trip>().EntityFrameworkRepository(repository =>
            {
                Configure(repository);
                repository.CustomizeQuery(trips => trips.Include(trip => trip.Stops));
            });
        },
        (context, bus, _) => bus.ReceiveEndpoint("trips", endpoint =>
        {
            endpoint.ConcurrentMessageLimit = 4;
            endpoint.UseMessageRetry(retry => retry.Intervals([.. Enumerable.Range(0, 60).Select(i => TimeSpan.FromMilliseconds(5 + i))]));
            Func<IQueryable<Trip>, IQueryable<Trip>> customize = trips => trips.Include(trip => trip.Stops);
            switch (registration)
            {
                case Registration.WithoutContainer:
                    endpoint.StateMachineSaga(new TripStateMachine(), EntityFrameworkSagaRepository<Trip>.CreatePessimistic(
                        Create, backend.Locks, customize, IsolationLevel.ReadCommitted));
                    break;
                case Registration.WithoutContainerOptimistic:
                    endpoint.StateMachineSaga(new TripStateMachine(), EntityFrameworkSagaRepository<Trip>.CreateOptimistic(Create, customize));
                    break;
                default:
                    endpoint.ConfigureSaga<Trip>(context);
                    break;
            }
        }));

    private sealed class LoudFormatter : ILockStatementFormatter
    {
        public void Create(StringBuilder sb, string schema, string table) => sb.Append($"READ {schema}.{table} BY ");

        public void AppendColumn(StringBuilder sb, int index, string columnName) => sb.Append($"{columnName}={{{index}}}");

        public void Complete(StringBuilder sb) => sb.Append(" LOCKED");

        public void CreateOutboxStatement(StringBuilder sb, string schema, string table, string columnName) => sb.Append(table);
    }
}

public sealed class Trip : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public string? Traveller { get; set; }

    public int Version { get; set; }

    public List<Stop> Stops { get; } = [];
}

public sealed class Stop
{
    public int Id { get; set; }

    public string Name { get; set; } = "";
}

public sealed record TripBooked(Guid CorrelationId, string Traveller) : CorrelatedBy<Guid>;

public sealed record StopAdded(Guid CorrelationId, string Name) : CorrelatedBy<Guid>;

public sealed class TripStateMachine : MassTransitStateMachine<Trip>
{
    public TripStateMachine()
    {
        InstanceState(trip => trip.CurrentState);
        Initially(When(TripBooked).Then(context => context.Saga.Traveller = context.Message.Traveller).TransitionTo(Booked));
        During(Booked, When(StopAdded).Then(context =>
        {
            context.Saga.Stops.Add(new Stop { Name = context.Message.Name });
            context.Saga.Version++;
        }));
    }

    public State Booked { get; private set; } = null!;

    public Event<TripBooked> TripBooked { get; private set; } = null!;

    public Event<StopAdded> StopAdded { get; private set; } = null!;
}

public sealed class TripMap : SagaClassMap<Trip>
{
    protected override void Configure(EntityTypeBuilder<Trip> entity, ModelBuilder model)
    {
        entity.ToTable("trips");
        entity.Property(trip => trip.CorrelationId).HasColumnName("c_id");
        entity.Property(trip => trip.CurrentState).HasMaxLength(64);
        entity.Property(trip => trip.Version).IsConcurrencyToken();
        entity.HasMany(trip => trip.Stops).WithOne().OnDelete(DeleteBehavior.Cascade);
    }
}

public sealed class TripDbContext(DbContextOptions options) : SagaDbContext(options)
{
    public DbSet<Trip> Trips => Set<Trip>();

    protected override IEnumerable<ISagaClassMap> Configurations => [new TripMap()];
}
