using System.Text.Json;
using Governor.Contracts;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Runtimes;

/// <summary>Life of a runtime in the fleet. Stored by name.</summary>
internal enum RuntimeState
{
    /// <summary>Registered; its queue is being made.</summary>
    Provisioning = 0,

    /// <summary>Can be sent to.</summary>
    Ready = 1,

    /// <summary>Assigned nothing; goes once it has reported that nothing is left.</summary>
    Deregistering = 2,
}

/// <summary>One managed target, with what was sent to it and what it reported last.</summary>
internal sealed class Runtime
{
    /// <summary>DNS label, unique across tenants: it names a queue and a routing key.</summary>
    public required string RuntimeId { get; init; }

    public required string Tenant { get; init; }

    public required string Kind { get; init; }

    public required IReadOnlyDictionary<string, string> Labels { get; set; }

    public RuntimeState State { get; set; }

    /// <summary>Raised by every change that a client makes; the entity tag.</summary>
    public int Version { get; set; } = 1;

    public DateTimeOffset RegisteredAt { get; init; }

    public DateTimeOffset StateSince { get; set; }

    /// <summary>Raised by every message to the Agent, and by every assignment. Survives deregistration.</summary>
    public long Generation { get; set; }

    /// <summary>Generation of the newest message that was sent; below <see cref="Generation"/> while the runtime could not
    /// be sent to.</summary>
    public long SentGeneration { get; set; }

    public DateTimeOffset? SentAt { get; set; }

    /// <summary>Generation that tells it to hold nothing, once it is deregistering.</summary>
    public long? GoneGeneration { get; set; }

    /// <summary>When its newest report was recorded; null until the first.</summary>
    public DateTimeOffset? HeardAt { get; set; }

    /// <summary>The longest time between two reports, as its Agent states it.</summary>
    public TimeSpan ReportInterval { get; set; }

    /// <summary>Newest epoch that was given out by ReportRequested.</summary>
    public long Epoch { get; set; }

    public long ReportEpoch { get; set; }

    public long ReportNumber { get; set; }

    public long ReportedGeneration { get; set; }

    /// <summary>The Agent's pinned public key as JSON, and its id.</summary>
    public string? PublicKey { get; set; }

    public string? Kid { get; set; }

    /// <summary>Id of a key that the Agent shows now and nobody has trusted yet.</summary>
    public string? UntrustedKid { get; set; }

    /// <summary>That key as JSON; null while only a report has named it.</summary>
    public string? UntrustedKey { get; set; }

    /// <summary>Whether the Agent could not open what was sealed to the pinned key: nothing with secrets is sent to it before an
    /// operator trusts its new one.</summary>
    public bool KeyRefused { get; set; }

    /// <summary>Whether its Agent is to show its key again: none is known, or one that is not trusted has only been named.</summary>
    public bool NeedsKey => Kid is null || (UntrustedKid is not null && UntrustedKey is null);

    /// <summary>Takes what a report says of the Agent's key. Reports are in order, enrolments are not: which key it has is decided here.</summary>
    public void HearsKey(RuntimeReported report)
    {
        if (Kid is null || report.Kid is null)
            return;

        if (report.Kid == Kid)
        {
            (UntrustedKid, UntrustedKey, KeyRefused) = (null, null, false);
            return;
        }

        if (UntrustedKid != report.Kid)
            (UntrustedKid, UntrustedKey) = (report.Kid, null);
        if (report.UnopenedGeneration is not null)
            KeyRefused = true;
    }

    /// <summary>Takes a key that its Agent shows: the first one is pinned.</summary>
    /// <returns>Whether it is another one than the pinned, and new.</returns>
    public bool Shows(AgentPublicKey key)
    {
        var json = JsonSerializer.Serialize(key, JsonSerializerOptions.Web);
        if (Kid is null)
            (Kid, PublicKey) = (key.Kid, json);
        if (Kid == key.Kid)
            return false;
        var isNew = UntrustedKid != key.Kid || UntrustedKey is null;
        (UntrustedKid, UntrustedKey) = (key.Kid, json);
        return isNew;
    }

    /// <summary>Takes the key that an operator trusts for the pinned one.</summary>
    public void Trust() => (Kid, PublicKey, UntrustedKid, UntrustedKey, KeyRefused) = (UntrustedKid, UntrustedKey, null, null, false);

    /// <summary>The drift job sends nothing before; null while nothing is wrong.</summary>
    public DateTimeOffset? HealNotBefore { get; set; }

    public TimeSpan HealBackOff { get; set; }

    /// <summary>Whether nobody is known to listen: it never reported, or missed three of its report intervals while the
    /// Directors listened.</summary>
    /// <param name="now">The present.</param>
    /// <param name="listeningSince">Since when Directors and broker have been up without a gap.</param>
    public bool IsAway(DateTimeOffset now, DateTimeOffset listeningSince) =>
        HeardAt is not { } heard || now - (heard > listeningSince ? heard : listeningSince) > 3 * ReportInterval;
}

/// <summary>The generation of a runtime that was deregistered: if it comes back, it goes on counting.</summary>
internal sealed class RetiredRuntime
{
    public required string RuntimeId { get; init; }

    public long Generation { get; set; }
}

internal sealed class RuntimeMapping : IEntityTypeConfiguration<Runtime>, IEntityTypeConfiguration<RetiredRuntime>
{
    public void Configure(EntityTypeBuilder<Runtime> builder)
    {
        builder.ToTable("runtimes").HasKey(r => r.RuntimeId);
        builder.Property(r => r.RuntimeId).HasMaxLength(63);
        builder.Property(r => r.Tenant).HasMaxLength(63);
        builder.Property(r => r.Kind).HasMaxLength(63);
        builder.Ignore(r => r.NeedsKey);
        builder.Property(r => r.State).HasConversion<string>().HasMaxLength(20);
        builder.HasIndex(r => new { r.Tenant, r.RuntimeId });
        builder.HasIndex(r => r.State);
    }

    public void Configure(EntityTypeBuilder<RetiredRuntime> builder)
    {
        builder.ToTable("retired_runtimes").HasKey(r => r.RuntimeId);
        builder.Property(r => r.RuntimeId).HasMaxLength(63);
    }
}
