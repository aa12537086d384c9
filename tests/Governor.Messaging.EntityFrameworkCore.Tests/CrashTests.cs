extern alias TestApp;

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using TestApp::Governor.Messaging.EntityFrameworkCore.TestApp;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>A process that writes, delivers and consumes is killed at each step, and another goes on where it died.</summary>
public sealed class CrashTests(ServersBackend backend) : IClassFixture<ServersBackend>
{
    private const int Transactions = 12;

    [Theory]
    [InlineData("write-before-commit", 5)]
    [InlineData("write-after-commit", 5)]
    [InlineData("deliver-confirmed", 7)]
    [InlineData("deliver-before-commit", 2)]
    [InlineData("deliver-after-commit", 2)]
    [InlineData("consume-before-commit", 8)]
    [InlineData("consume-after-commit", 8)]
    [InlineData("consume-sent", 8)]
    [InlineData("mark-before-commit", 1)]
    [InlineData("mark-after-commit", 1)]
    public async Task Given_a_process_that_dies_at_a_step_When_another_goes_on_Then_every_effect_is_there_once_and_no_message_is_lost(string step, int occurrence)
    {
        await CreateTablesAsync();
        var done = new ConcurrentBag<Done>();
        await using var reader = await AppHost.StartAsync((services, _) => services.AddMassTransit(bus => backend.UseTransport(bus, (_, factory) =>
            factory.ReceiveEndpoint(WorkConsumer.DoneQueue, endpoint => endpoint.Handler<Done>(context =>
            {
                done.Add(context.Message);
                return Task.CompletedTask;
            })))));

        using (var first = Start(Transactions, step, occurrence, minutesAhead: 0))
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            try
            {
                await first.WaitForExitAsync(patience.Token);
            }
            finally
            {
                first.Kill(); // Nothing, if it died as it should.
            }

            Assert.Equal(137, first.ExitCode);
        }

        // Ahead of the first, so that what a dead consumer left behind need not wait for its grace.
        using var second = Start(2, "none", 1, minutesAhead: 5);
        try
        {
            await Eventually.HoldsAsync(SettledAsync, "everything is delivered and consumed", TimeSpan.FromMinutes(2));
        }
        finally
        {
            second.Kill();
            await second.WaitForExitAsync();
        }

        await using var db = Create();
        var orders = await db.Orders.Select(order => order.Id).ToListAsync();
        Assert.InRange(orders.Count, 3, Transactions + 2);
        var expected = orders.SelectMany(order => Enumerable.Range(0, WorkConsumer.PerOrder).Select(number => (order, number))).ToHashSet();
        var effects = await db.Effects.OrderBy(effect => effect.Id).ToListAsync();
        // Exactly one effect for each message of a committed transaction, none for another, in the order of the transaction's messages.
        Assert.Equal(expected.Order(), effects.Select(effect => (effect.OrderId, effect.Number)).Order());
        Assert.All(effects.GroupBy(effect => effect.OrderId), order => Assert.Equal([0, 1, 2], order.Select(effect => effect.Number)));
        await Eventually.HoldsAsync(
            () => Task.FromResult(done.Select(message => (message.OrderId, message.Number)).ToHashSet().SetEquals(expected)), "every effect was announced");
    }

    private async Task<bool> SettledAsync()
    {
        await using var db = Create();
        return await db.Orders.CountAsync() * WorkConsumer.PerOrder == await db.Effects.CountAsync()
            && !await db.Set<OutboxMessage>().AnyAsync()
            && !await db.Set<OutboxState>().AnyAsync()
            && await db.Set<InboxState>().AllAsync(inbox => inbox.Delivered != null);
    }

    private TestAppDbContext Create() =>
        new(new DbContextOptionsBuilder<TestAppDbContext>().UseNpgsql(backend.ConnectionString).Options);

    private async Task CreateTablesAsync()
    {
        await AppHost.CreateTablesAsync(Create());
        await using var db = Create();
        await db.Orders.ExecuteDeleteAsync();
        await db.Effects.ExecuteDeleteAsync();
    }

    private Process Start(int transactions, string step, int occurrence, int minutesAhead) => Process.Start(new ProcessStartInfo("dotnet",
    [
        typeof(WorkConsumer).Assembly.Location, backend.ConnectionString, backend.BrokerUri.ToString(),
        transactions.ToString(CultureInfo.InvariantCulture), step, occurrence.ToString(CultureInfo.InvariantCulture),
        minutesAhead.ToString(CultureInfo.InvariantCulture),
    ]))!;
}
