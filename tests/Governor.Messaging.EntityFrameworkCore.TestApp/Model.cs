using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Messaging.EntityFrameworkCore.TestApp;

/// <summary>Asks for one effect.</summary>
public sealed record Work(Guid OrderId, int Number);

/// <summary>Says that the effect is there.</summary>
public sealed record Done(Guid OrderId, int Number);

public sealed class Order
{
    public Guid Id { get; set; }
}

/// <summary>What a consumer has done; a second one for the same work would be there too.</summary>
public sealed class Effect
{
    public long Id { get; set; }

    public Guid OrderId { get; set; }

    public int Number { get; set; }
}

public sealed class TestAppDbContext(DbContextOptions<TestAppDbContext> options) : DbContext(options)
{
    public DbSet<Order> Orders => Set<Order>();

    public DbSet<Effect> Effects => Set<Effect>();

    protected override void OnModelCreating(ModelBuilder modelBuilder) => modelBuilder.AddTransactionalOutboxEntities();
}

public sealed class WorkConsumer(TestAppDbContext db) : IConsumer<Work>
{
    public const string Queue = "work";
    public const string DoneQueue = "done";
    public const int PerOrder = 3;

    public async Task Consume(ConsumeContext<Work> context)
    {
        var (orderId, number) = context.Message;
        db.Add(new Effect { OrderId = orderId, Number = number });
        var done = await context.GetSendEndpoint(new Uri($"queue:{DoneQueue}"));
        await done.Send(new Done(orderId, number));
    }
}

internal sealed class AheadTimeProvider(TimeSpan ahead) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + ahead;
}
