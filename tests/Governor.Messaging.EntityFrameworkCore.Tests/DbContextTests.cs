using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedDbContextTests(EmbeddedBackend backend) : DbContextTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersDbContextTests(ServersBackend backend) : DbContextTests(backend), IClassFixture<ServersBackend>
{
    [Fact]
    public Task Given_tables_in_schemas_of_their_own_Then_everything_is_delivered() =>
        DeliversAsync<SchemaDbContext>(services => services.AddDbContext<SchemaDbContext>(backend.UseDatabase));
}

/// <summary>The ways in which applications register and name their DbContext: the outbox and the inbox work with each.</summary>
public abstract class DbContextTests(Backend backend)
{
    [Fact]
    public Task Given_a_plain_DbContext_Then_everything_is_delivered() =>
        DeliversAsync<PlainDbContext>(services => services.AddDbContext<PlainDbContext>(backend.UseDatabase));

    [Fact]
    public Task Given_a_pooled_DbContext_Then_everything_is_delivered() =>
        DeliversAsync<PlainDbContext>(services => services.AddDbContextPool<PlainDbContext>(backend.UseDatabase));

    [Fact]
    public Task Given_a_DbContext_with_a_factory_beside_it_Then_everything_is_delivered() =>
        DeliversAsync<PlainDbContext>(services =>
        {
            services.AddDbContext<PlainDbContext>(backend.UseDatabase, optionsLifetime: ServiceLifetime.Singleton);
            services.AddDbContextFactory<PlainDbContext>(backend.UseDatabase);
        });

    [Fact]
    public Task Given_names_in_snake_case_Then_everything_is_delivered() =>
        DeliversAsync<SnakeDbContext>(services => services.AddDbContext<SnakeDbContext>(options =>
        {
            backend.UseDatabase(options);
            options.UseSnakeCaseNamingConvention();
        }));

    [Fact]
    public Task Given_an_execution_strategy_that_retries_Then_everything_is_delivered() =>
        DeliversAsync<PlainDbContext>(services => services.AddDbContext<PlainDbContext>(backend.UseRetryingDatabase));

    [Fact]
    public async Task Given_an_execution_strategy_that_retries_When_the_caller_opens_transactions_through_it_Then_messages_share_them()
    {
        await using var host = await StartAsync<PlainDbContext>(services => services.AddDbContext<PlainDbContext>(backend.UseRetryingDatabase));
        await host.InScopeAsync(async scope =>
        {
            var db = scope.GetRequiredService<PlainDbContext>();
            var bus = scope.GetRequiredService<IPublishEndpoint>();
            foreach (var commits in (bool[])[false, true])
                await db.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
                {
                    await using var transaction = await db.Database.BeginTransactionAsync();
                    await bus.Publish(new NoteWritten(commits ? "kept" : "lost"));
                    await db.SaveChangesAsync();
                    if (commits)
                        await transaction.CommitAsync();
                });
        });
        Assert.Equal("kept", Assert.Single(await host.Recorder.UntilAsync<NoteWritten>(1)).Text);
    }

    [Fact]
    public async Task Given_an_execution_strategy_that_retries_When_SaveChanges_fails_and_is_repeated_Then_its_messages_are_sent_once()
    {
        await using var host = await StartAsync<PlainDbContext>(services => services.AddDbContext<PlainDbContext>(backend.UseRetryingDatabase));
        var taken = Guid.NewGuid();
        await host.InScopeAsync(async scope =>
        {
            var db = scope.GetRequiredService<PlainDbContext>();
            db.Add(new Entry { Id = taken });
            await db.SaveChangesAsync();
        });
        await host.InScopeAsync(async scope =>
        {
            var db = scope.GetRequiredService<PlainDbContext>();
            var duplicate = db.Add(new Entry { Id = taken });
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new NoteWritten("once"));
            await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
            duplicate.State = EntityState.Detached;
            await db.SaveChangesAsync();
            Assert.Empty(db.ChangeTracker.Entries());
        });
        await host.InScopeAsync(async scope =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new NoteWritten("last"));
            await scope.GetRequiredService<PlainDbContext>().SaveChangesAsync();
        });
        // Transactions are not ordered against each other.
        Assert.Equal(["last", "once"], (await host.Recorder.UntilAsync<NoteWritten>(2)).Select(note => note.Text).Order());
    }

    protected async Task DeliversAsync<TDbContext>(Action<IServiceCollection> register) where TDbContext : AppDbContext
    {
        await using var host = await StartAsync<TDbContext>(register);
        for (var round = 0; round < 2; round++)
            await host.InScopeAsync(async scope =>
            {
                var db = scope.GetRequiredService<TDbContext>();
                var bus = scope.GetRequiredService<IPublishEndpoint>();
                db.Add(new Entry { Id = Guid.NewGuid() });
                for (var i = 0; i < 20; i++)
                    await bus.Publish(new NoteWritten($"{round}:{i:00}"));
                await bus.Publish(new Counted(Guid.NewGuid()));
                await db.SaveChangesAsync();
            });

        var notes = (await host.Recorder.UntilAsync<NoteWritten>(42)).Select(note => note.Text).ToList();
        for (var round = 0; round < 2; round++)
            Assert.Equal(Enumerable.Range(0, 20).Select(i => $"{round}:{i:00}"), notes.Where(note => note.StartsWith($"{round}:", StringComparison.Ordinal)));
        Assert.Equal(2, notes.Count(note => note == "counted"));
        await Eventually.HoldsAsync(async () =>
        {
            var left = 1;
            await host.InScopeAsync(async scope => left = await scope.GetRequiredService<TDbContext>()
                .Set<MassTransit.EntityFrameworkCoreIntegration.OutboxMessage>().CountAsync());
            return left == 0;
        }, "nothing is left in the outbox");
    }

    private async Task<AppHost> StartAsync<TDbContext>(Action<IServiceCollection> register) where TDbContext : AppDbContext
    {
        await using (var provider = new ServiceCollection().Apply(register).BuildServiceProvider())
        await using (var scope = provider.CreateAsyncScope())
            await AppHost.CreateTablesAsync(scope.ServiceProvider.GetRequiredService<TDbContext>());
        return await AppHost.StartAsync((services, recorder) =>
        {
            register(services);
            services.AddMassTransit(bus =>
            {
                bus.AddTestOutbox<TDbContext>(backend);
                bus.AddConsumer<CountedConsumer<TDbContext>>();
                backend.UseTransport(bus, (context, factory) =>
                {
                    factory.ReceiveEndpoint("counters", endpoint =>
                    {
                        endpoint.UseMessageRetry(retry => retry.Immediate(3));
                        endpoint.UseEntityFrameworkOutbox<TDbContext>(context);
                        endpoint.ConfigureConsumer<CountedConsumer<TDbContext>>(context);
                    });
                    factory.Record<NoteWritten>(recorder, "notes");
                });
            });
        });
    }
}

public sealed record Counted(Guid Id);

internal sealed class CountedConsumer<TDbContext>(TDbContext db) : IConsumer<Counted> where TDbContext : AppDbContext
{
    public async Task Consume(ConsumeContext<Counted> context)
    {
        db.Add(new Entry { Id = context.Message.Id });
        await context.Publish(new NoteWritten("counted"));
    }
}

internal static class Services
{
    public static IServiceCollection Apply(this IServiceCollection services, Action<IServiceCollection> configure)
    {
        configure(services);
        return services;
    }
}
