using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Rollouts;

internal sealed class RolloutMapping :
    IEntityTypeConfiguration<Rollout>,
    IEntityTypeConfiguration<RolloutWave>,
    IEntityTypeConfiguration<RolloutTarget>,
    IEntityTypeConfiguration<RolloutAction>,
    IEntityTypeConfiguration<RolloutEvent>
{
    /// <summary>The targets that a report may still change; the index keeps recording independent of the fleet's past.</summary>
    public const string StillSpokenOf =
        "(generation > 0 OR state = 'Deferred') AND state NOT IN ('Applied', 'Skipped', 'Removed')";

    /// <summary>The same, where the table is joined as <c>t</c> with others that have columns of these names.</summary>
    public const string StillSpokenOfAsT =
        "(t.generation > 0 OR t.state = 'Deferred') AND t.state NOT IN ('Applied', 'Skipped', 'Removed')";

    public void Configure(EntityTypeBuilder<Rollout> builder)
    {
        builder.ToTable("rollouts").HasKey(r => r.CorrelationId);
        builder.Ignore(r => r.Configuration);
        builder.Ignore(r => r.ConfigurationRevision);
        builder.Ignore(r => r.Credential);
        builder.Ignore(r => r.CredentialVersion);
        builder.Property(r => r.CorrelationId).HasColumnName("rollout_id");
        builder.Property(r => r.CurrentState).HasColumnName("state").HasMaxLength(30);
        builder.Property(r => r.Tenant).HasMaxLength(63);
        builder.Property(r => r.Item).HasMaxLength(Assignments.Items.MaxLength);
        builder.Property(r => r.Strategy).HasMaxLength(30);
        builder.Property(r => r.RequestedBy).HasMaxLength(256);
        builder.Property(r => r.EndsAs).HasMaxLength(30);
        builder.HasIndex(r => new { r.Tenant, r.Item, r.Revision });
        builder.HasIndex(r => new { r.Tenant, r.CorrelationId });
        builder.HasIndex(r => r.NextDueAt).HasFilter("next_due_at IS NOT NULL");
        builder.HasIndex(r => r.TouchedAt).HasFilter("ended_at IS NULL").HasDatabaseName("ix_rollouts_open");
    }

    public void Configure(EntityTypeBuilder<RolloutWave> builder)
    {
        builder.ToTable("rollout_waves").HasKey(w => new { w.RolloutId, w.Wave });
        builder.HasOne<Rollout>().WithMany().HasForeignKey(w => w.RolloutId).OnDelete(DeleteBehavior.Cascade);
    }

    public void Configure(EntityTypeBuilder<RolloutTarget> builder)
    {
        builder.ToTable("rollout_targets").HasKey(t => new { t.RolloutId, t.RuntimeId });
        builder.Property(t => t.RuntimeId).HasMaxLength(63);
        builder.Property(t => t.State).HasConversion<string>().HasMaxLength(20);
        builder.Property(t => t.Digest).HasMaxLength(64);
        builder.Property(t => t.Reason).HasMaxLength(100);
        builder.Ignore(t => t.IsDone);
        builder.HasIndex(t => new { t.RolloutId, t.State, t.Wave, t.RuntimeId });
        builder.HasIndex(t => new { t.RolloutId, t.DeadlineAt }).HasFilter("state = 'Dispatched'")
            .HasDatabaseName("ix_rollout_targets_deadline");
        builder.HasIndex(t => t.RuntimeId).HasFilter(StillSpokenOf).HasDatabaseName("ix_rollout_targets_spoken_of");
    }

    public void Configure(EntityTypeBuilder<RolloutAction> builder)
    {
        builder.ToTable("rollout_actions").HasKey(a => a.ActionId);
        builder.Property(a => a.Kind).HasMaxLength(30);
        builder.Property(a => a.RequestedBy).HasMaxLength(256);
        builder.Property(a => a.RolloutState).HasMaxLength(30);
        builder.HasOne<Rollout>().WithMany().HasForeignKey(a => a.RolloutId).OnDelete(DeleteBehavior.Cascade);
    }

    public void Configure(EntityTypeBuilder<RolloutEvent> builder)
    {
        builder.ToTable("rollout_events").HasKey(e => new { e.RolloutId, e.Number });
        builder.Property(e => e.Kind).HasMaxLength(50);
        builder.HasOne<Rollout>().WithMany().HasForeignKey(e => e.RolloutId).OnDelete(DeleteBehavior.Cascade);
    }
}
