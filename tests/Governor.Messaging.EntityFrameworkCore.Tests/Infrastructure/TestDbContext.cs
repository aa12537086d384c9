using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class TestDbContext(DbContextOptions<TestDbContext> options) : DbContext(options)
{
    public DbSet<Note> Notes => Set<Note>();

    public DbSet<Order> Orders => Set<Order>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.AddTransactionalOutboxEntities();
        modelBuilder.Entity<Note>().HasKey(note => note.Text);
        modelBuilder.Entity<Order>().HasKey(order => order.CorrelationId);
        modelBuilder.Entity<Order>().Property(order => order.CorrelationId).ValueGeneratedNever();
        modelBuilder.Entity<Order>().Property(order => order.Version).IsConcurrencyToken();

        // Names that no literal in the code would hit.
        foreach (var entity in modelBuilder.Model.GetEntityTypes())
        {
            entity.SetTableName("t_" + entity.GetTableName()!.ToLowerInvariant());
            foreach (var property in entity.GetProperties())
                property.SetColumnName("c_" + property.Name.ToLowerInvariant());
        }
    }
}

public sealed class Note
{
    public required string Text { get; init; }
}
