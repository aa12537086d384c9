using MassTransit;
using MassTransit.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>The outbox under MassTransit's own test harness, and beside other interceptors.</summary>
public sealed class TestHarnessTests(EmbeddedBackend backend) : IClassFixture<EmbeddedBackend>
{
    [Fact]
    public async Task Given_a_saga_in_the_test_harness_When_an_event_is_saved_Then_it_is_consumed()
    {
        var order = NewId.NextGuid();
        await using var provider = Build();
        var harness = await provider.StartTestHarness();
        await using (var scope = provider.CreateAsyncScope())
        {
            await scope.ServiceProvider.GetRequiredService<IPublishEndpoint>().Publish(new OrderPlaced(order));
            await scope.ServiceProvider.GetRequiredService<TestDbContext>().SaveChangesAsync();
        }

        Assert.True(await harness.Consumed.Any<OrderPlaced>(m => m.Context.Message.OrderId == order));
        var saga = harness.GetSagaStateMachineHarness<OrderStateMachine, Order>();
        Assert.NotNull(await saga.Exists(order, machine => machine.Open));
    }

    [Fact]
    public async Task Given_an_interceptor_that_publishes_while_saving_Then_its_message_shares_the_transaction()
    {
        await using var provider = Build();
        var harness = await provider.StartTestHarness();
        await using (var scope = provider.CreateAsyncScope())
        {
            var bus = scope.ServiceProvider.GetRequiredService<IPublishEndpoint>();
            var db = scope.ServiceProvider.GetRequiredService<TestDbContext>();
            Publisher.Bus.Value = bus;
            db.Add(new Note { Text = "announced" });
            await db.SaveChangesAsync();
        }

        Assert.True(await harness.Consumed.Any<NoteWritten>());
    }

    private ServiceProvider Build() => new ServiceCollection()
        .AddDbContext<TestDbContext>(options =>
        {
            backend.UseDatabase(options);
            options.AddInterceptors(new Publisher());
        })
        .AddMassTransitTestHarness(bus =>
        {
            bus.SetTestTimeouts(testInactivityTimeout: TimeSpan.FromSeconds(5));
            bus.AddEntityFrameworkOutbox<TestDbContext>(outbox =>
            {
                outbox.UseSqlite();
                outbox.UseBusOutbox();
            });
            bus.AddHandler((NoteWritten _) => Task.CompletedTask);
            bus.AddSagaStateMachine<OrderStateMachine, Order>().EntityFrameworkRepository(repository =>
            {
                repository.ExistingDbContext<TestDbContext>();
                repository.UseSqlite();
            });
            bus.AddConfigureEndpointsCallback((context, _, endpoint) => endpoint.UseEntityFrameworkOutbox<TestDbContext>(context));
        })
        .BuildServiceProvider(validateScopes: true);

    private sealed class Publisher : SaveChangesInterceptor
    {
        public static AsyncLocal<IPublishEndpoint?> Bus { get; } = new();

        public override async ValueTask<InterceptionResult<int>> SavingChangesAsync(
            DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
        {
            if (Bus.Value is { } bus)
                await bus.Publish(new NoteWritten("announced"), cancellationToken);
            return result;
        }
    }
}
