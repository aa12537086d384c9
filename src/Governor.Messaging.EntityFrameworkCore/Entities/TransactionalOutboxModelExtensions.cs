using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace MassTransit;

/// <summary>Maps the tables of outbox and inbox.</summary>
/// <remarks>Table and column names may be changed afterwards, by hand or by a convention: every statement of this
/// library takes its names from the finished model.</remarks>
public static class TransactionalOutboxModelExtensions
{
    private const int AddressLength = 256;

    // The columns hold UTC; SQLite gives back Unspecified, which Npgsql would refuse and MassTransit would misread.
    private static readonly ValueConverter<DateTime, DateTime> Utc =
        new(value => value, value => DateTime.SpecifyKind(value, DateTimeKind.Utc));

    private static readonly ValueConverter<Uri?, string> Address =
        new(value => value!.ToString(), value => new Uri(value));

    /// <summary>Maps <see cref="InboxState"/>, <see cref="OutboxState"/> and <see cref="OutboxMessage"/>.</summary>
    /// <param name="modelBuilder">The model of the DbContext that owns the outbox.</param>
    public static void AddTransactionalOutboxEntities(this ModelBuilder modelBuilder)
    {
        modelBuilder.AddInboxStateEntity();
        modelBuilder.AddOutboxStateEntity();
        modelBuilder.AddOutboxMessageEntity();
    }

    /// <summary>Maps <see cref="InboxState"/>.</summary>
    /// <param name="modelBuilder">The model of the DbContext that owns the inbox.</param>
    /// <param name="callback">Further configuration, such as another table name.</param>
    public static void AddInboxStateEntity(this ModelBuilder modelBuilder, Action<EntityTypeBuilder<InboxState>>? callback = null)
    {
        var inbox = modelBuilder.Entity<InboxState>();
        inbox.HasKey(state => state.Id);
        inbox.HasAlternateKey(state => new { state.MessageId, state.ConsumerId });
        inbox.HasIndex(state => state.Delivered);
        inbox.Property(state => state.RowVersion).IsRowVersion();
        inbox.Property(state => state.Received).HasConversion(Utc);
        inbox.Property(state => state.ExpirationTime).HasConversion(Utc);
        inbox.Property(state => state.Consumed).HasConversion(Utc);
        inbox.Property(state => state.Delivered).HasConversion(Utc);
        callback?.Invoke(inbox);
    }

    /// <summary>Maps <see cref="OutboxState"/>.</summary>
    /// <param name="modelBuilder">The model of the DbContext that owns the outbox.</param>
    /// <param name="callback">Further configuration, such as another table name.</param>
    public static void AddOutboxStateEntity(this ModelBuilder modelBuilder, Action<EntityTypeBuilder<OutboxState>>? callback = null)
    {
        var outbox = modelBuilder.Entity<OutboxState>();
        outbox.HasKey(state => state.OutboxId);
        outbox.Property(state => state.OutboxId).ValueGeneratedNever();
        outbox.HasIndex(state => state.Created);
        outbox.Property(state => state.RowVersion).IsRowVersion();
        outbox.Property(state => state.Created).HasConversion(Utc);
        outbox.Property(state => state.Delivered).HasConversion(Utc);
        callback?.Invoke(outbox);
    }

    /// <summary>Maps <see cref="OutboxMessage"/>.</summary>
    /// <param name="modelBuilder">The model of the DbContext that owns the outbox.</param>
    /// <param name="callback">Further configuration, such as another table name.</param>
    public static void AddOutboxMessageEntity(this ModelBuilder modelBuilder, Action<EntityTypeBuilder<OutboxMessage>>? callback = null)
    {
        var message = modelBuilder.Entity<OutboxMessage>();
        message.HasKey(m => m.SequenceNumber);
        message.Property(m => m.SequenceNumber).ValueGeneratedOnAdd();
        message.Property(m => m.ContentType).HasMaxLength(256).IsRequired();
        message.Property(m => m.MessageType).IsRequired();
        message.Property(m => m.Body).IsRequired();
        message.Property(m => m.EnqueueTime).HasConversion(Utc);
        message.Property(m => m.SentTime).HasConversion(Utc);
        message.Property(m => m.ExpirationTime).HasConversion(Utc);
        message.Property(m => m.SourceAddress).HasConversion(Address).HasMaxLength(AddressLength);
        message.Property(m => m.DestinationAddress).HasConversion(Address).HasMaxLength(AddressLength);
        message.Property(m => m.ResponseAddress).HasConversion(Address).HasMaxLength(AddressLength);
        message.Property(m => m.FaultAddress).HasConversion(Address).HasMaxLength(AddressLength);
        // None on EnqueueTime and ExpirationTime: nothing searches by them, and each would cost every message.
        message.HasIndex(m => new { m.OutboxId, m.SequenceNumber }).IsUnique();
        message.HasIndex(m => new { m.InboxMessageId, m.InboxConsumerId, m.SequenceNumber }).IsUnique();
        // No foreign keys to the states: the server would check each message on its own, and the state is always written in
        // the same transaction and deleted only when no message is left.
        callback?.Invoke(message);
    }
}
