using System.Text.Json;
using Governor.Director.Assignments;
using Governor.Director.Commands;
using Governor.Director.Configurations;
using Governor.Director.Credentials;
using Governor.Director.DeadLetters;
using Governor.Director.Drift;
using Governor.Director.Operations;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using MassTransit;
using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace Governor.Director.Persistence;

/// <summary>The Director's database: PostgreSQL, or SQLite when embedded.</summary>
internal sealed class DirectorDbContext(DbContextOptions<DirectorDbContext> options) : DbContext(options), IDataProtectionKeyContext
{
    public DbSet<Runtime> Runtimes => Set<Runtime>();

    public DbSet<RetiredRuntime> RetiredRuntimes => Set<RetiredRuntime>();

    public DbSet<Configuration> Configurations => Set<Configuration>();

    public DbSet<ConfigurationRevision> Revisions => Set<ConfigurationRevision>();

    public DbSet<Assignment> Assignments => Set<Assignment>();

    public DbSet<ReportItem> ReportItems => Set<ReportItem>();

    public DbSet<Rejection> Rejections => Set<Rejection>();

    public DbSet<Rollout> Rollouts => Set<Rollout>();

    public DbSet<RolloutWave> Waves => Set<RolloutWave>();

    public DbSet<RolloutTarget> Targets => Set<RolloutTarget>();

    public DbSet<RolloutAction> Actions => Set<RolloutAction>();

    public DbSet<RolloutEvent> Events => Set<RolloutEvent>();

    public DbSet<DriftFinding> Findings => Set<DriftFinding>();

    public DbSet<DriftRun> DriftRuns => Set<DriftRun>();

    public DbSet<DeadLetter> DeadLetters => Set<DeadLetter>();

    public DbSet<CommandRecord> Commands => Set<CommandRecord>();

    public DbSet<Restoration> Restorations => Set<Restoration>();

    public DbSet<Heartbeat> Heartbeats => Set<Heartbeat>();

    public DbSet<Credential> Credentials => Set<Credential>();

    public DbSet<CredentialVersion> CredentialVersions => Set<CredentialVersion>();

    public DbSet<CredentialHolding> Holdings => Set<CredentialHolding>();

    public DbSet<CredentialWaiver> Waivers => Set<CredentialWaiver>();

    public DbSet<SealingKeyRow> SealingKeys => Set<SealingKeyRow>();

    /// <summary>The key ring of the protection at rest; written by the framework.</summary>
    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    /// <summary>Whether this is PostgreSQL; otherwise it is SQLite.</summary>
    public bool IsPostgres => Database.IsNpgsql();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.ApplyConfigurationsFromAssembly(typeof(DirectorDbContext).Assembly);
        modelBuilder.Entity<Runtime>().Property(r => r.Labels)
            .HasConversion(new LabelsConverter(), new LabelsComparer());
        modelBuilder.AddTransactionalOutboxEntities();
    }

    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
    {
        configurationBuilder.Properties<TimeSpan>().HaveConversion<TimeSpanToTicksConverter>();
        if (IsPostgres)
        {
            // Ids sort by their bytes, as the program sorts them, whatever language the database is made for.
            configurationBuilder.Properties<string>().UseCollation("C");
        }
        else
        {
            // SQLite has no type for instants; ticks compare and sort, text in the provider's format does not translate.
            configurationBuilder.Properties<DateTimeOffset>().HaveConversion<UtcTicksConverter>();
        }
    }

    private sealed class UtcTicksConverter() : ValueConverter<DateTimeOffset, long>(
        instant => instant.UtcTicks, ticks => new DateTimeOffset(ticks, TimeSpan.Zero));

    private sealed class LabelsConverter() : ValueConverter<IReadOnlyDictionary<string, string>, string>(
        labels => JsonSerializer.Serialize(labels, JsonSerializerOptions.Default),
        json => JsonSerializer.Deserialize<Dictionary<string, string>>(json, JsonSerializerOptions.Default)!);

    private sealed class LabelsComparer() : ValueComparer<IReadOnlyDictionary<string, string>>(
        (a, b) => a!.Count == b!.Count && !a.Except(b).Any(),
        labels => labels.Count);
}
