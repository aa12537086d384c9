using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Credentials;

/// <summary>Life of a version. Stored by name.</summary>
internal enum VersionStage
{
    /// <summary>On its way to the runtimes that use the credential.</summary>
    Pending = 0,

    /// <summary>What runtimes are given.</summary>
    Current = 1,

    /// <summary>Replaced, and still valid: some runtimes may hold it.</summary>
    Previous = 2,

    /// <summary>Nobody may hold it, and an operator has ended it; its entries are gone.</summary>
    Revoked = 3,

    /// <summary>Its rotation failed. Valid until nobody may hold it.</summary>
    Abandoned = 4,
}

/// <summary>A named set of secrets.</summary>
internal sealed class Credential
{
    public required string Tenant { get; init; }

    public required string Name { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    public int NewestVersion { get; set; }
}

/// <summary>One version of a credential's entries.</summary>
internal sealed class CredentialVersion
{
    public required string Tenant { get; init; }

    public required string Credential { get; init; }

    public required int Version { get; init; }

    /// <summary>Random id: what runtimes report and what is compared.</summary>
    public required string VersionId { get; init; }

    public VersionStage Stage { get; set; }

    public DateTimeOffset StageSince { get; set; }

    /// <summary>The entries, protected; null once revoked.</summary>
    public string? Entries { get; set; }

    /// <summary>Names of the entries, which are no secret.</summary>
    public required IReadOnlyList<string> Keys { get; init; }

    /// <summary>Size of the entries in bytes, about what they take in a message.</summary>
    public int Size { get; init; }

    /// <summary>How long the version that this one replaces stays valid, at least; and this one itself if its rotation fails.</summary>
    public TimeSpan Overlap { get; init; }

    /// <summary>When its owner says that it stops working, if they say so.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }

    /// <summary>End of the overlap, once it is previous or abandoned.</summary>
    public DateTimeOffset? RevocableAfter { get; set; }

    /// <summary>When it was announced that nobody may hold it; from then on it is sent to nobody.</summary>
    public DateTimeOffset? RevocableAt { get; set; }
}

/// <summary>That a runtime may hold a version: from the transaction that sends it until a later report proves that it does not.</summary>
/// <remarks>Survives the runtime's deregistration: while it is not registered it does not count, and counts again if it comes
/// back.</remarks>
internal sealed class CredentialHolding
{
    public required string RuntimeId { get; init; }

    public required string VersionId { get; init; }

    /// <summary>Newest generation that brought it; 0 if only a report said so.</summary>
    public long Generation { get; init; }

    public DateTimeOffset Since { get; init; }
}

/// <summary>That an operator said that a lost runtime holds a version no more.</summary>
internal sealed class CredentialWaiver
{
    public Guid WaiverId { get; init; }

    public required string Tenant { get; init; }

    public required string Credential { get; init; }

    public int Version { get; init; }

    public required string RuntimeId { get; init; }

    public required string WaivedBy { get; init; }

    public required string Reason { get; init; }

    public DateTimeOffset WaivedAt { get; init; }
}

internal sealed class CredentialMapping :
    IEntityTypeConfiguration<Credential>,
    IEntityTypeConfiguration<CredentialVersion>,
    IEntityTypeConfiguration<CredentialHolding>,
    IEntityTypeConfiguration<CredentialWaiver>
{
    public void Configure(EntityTypeBuilder<Credential> builder)
    {
        builder.ToTable("credentials").HasKey(c => new { c.Tenant, c.Name });
        builder.Property(c => c.Tenant).HasMaxLength(63);
        builder.Property(c => c.Name).HasMaxLength(63);
    }

    public void Configure(EntityTypeBuilder<CredentialVersion> builder)
    {
        builder.ToTable("credential_versions").HasKey(v => new { v.Tenant, v.Credential, v.Version });
        builder.Property(v => v.Tenant).HasMaxLength(63);
        builder.Property(v => v.Credential).HasMaxLength(63);
        builder.Property(v => v.VersionId).HasMaxLength(64);
        builder.Property(v => v.Stage).HasConversion<string>().HasMaxLength(20);
        builder.Property(v => v.Keys).HasConversion(
            keys => string.Join('\n', keys), text => text.Split('\n', StringSplitOptions.None),
            new Microsoft.EntityFrameworkCore.ChangeTracking.ValueComparer<IReadOnlyList<string>>(
                (a, b) => a!.SequenceEqual(b!), keys => keys.Count));
        builder.Property(v => v.CreatedBy).HasMaxLength(256);
        builder.HasIndex(v => v.VersionId).IsUnique();
        builder.HasIndex(v => new { v.Tenant, v.Stage });
        builder.HasOne<Credential>().WithMany().HasForeignKey(v => new { v.Tenant, v.Credential });
    }

    public void Configure(EntityTypeBuilder<CredentialHolding> builder)
    {
        builder.ToTable("credential_holdings").HasKey(h => new { h.RuntimeId, h.VersionId });
        builder.Property(h => h.RuntimeId).HasMaxLength(63);
        builder.Property(h => h.VersionId).HasMaxLength(64);
        builder.HasIndex(h => h.VersionId);
    }

    public void Configure(EntityTypeBuilder<CredentialWaiver> builder)
    {
        builder.ToTable("credential_waivers").HasKey(w => w.WaiverId);
        builder.Property(w => w.Tenant).HasMaxLength(63);
        builder.Property(w => w.Credential).HasMaxLength(63);
        builder.Property(w => w.RuntimeId).HasMaxLength(63);
        builder.Property(w => w.WaivedBy).HasMaxLength(256);
        builder.HasIndex(w => new { w.Tenant, w.Credential, w.Version });
    }
}
