using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Assignments;

/// <summary>A content that a runtime has rejected: join, sweep and healing do not bring it again, a dispatch may. A report that
/// applied it forgets it, and so does deregistering.</summary>
internal sealed class Rejection
{
    public required string RuntimeId { get; init; }

    public required string Digest { get; init; }

    public DateTimeOffset RejectedAt { get; init; }
}

/// <summary>What some runtimes have rejected.</summary>
internal sealed class Rejections(IReadOnlySet<(string RuntimeId, string Digest)> all)
{
    public static readonly Rejections None = new(new HashSet<(string, string)>());

    public IReadOnlySet<(string RuntimeId, string Digest)> All { get; } = all;

    /// <summary>Whether the runtime has rejected this content.</summary>
    public bool Has(FleetMember member, RevisionContent content) =>
        content.Digest is { } digest && All.Contains((member.Runtime.RuntimeId, digest));
}

internal static class RejectionQueries
{
    /// <summary>Reads what runtimes have rejected; written under their locks.</summary>
    public static async Task<Rejections> RejectionsOfAsync(
        this DirectorDbContext db, IEnumerable<string> runtimeIds, CancellationToken cancellationToken)
    {
        var ids = runtimeIds.ToList();
        var rows = await db.Rejections.AsNoTracking().Where(r => ids.Contains(r.RuntimeId))
            .Select(r => new { r.RuntimeId, r.Digest }).ToListAsync(cancellationToken);
        return rows.Count == 0 ? Rejections.None : new Rejections(rows.Select(r => (r.RuntimeId, r.Digest)).ToHashSet());
    }
}

internal sealed class RejectionMapping : IEntityTypeConfiguration<Rejection>
{
    public void Configure(EntityTypeBuilder<Rejection> builder)
    {
        builder.ToTable("rejections").HasKey(r => new { r.RuntimeId, r.Digest });
        builder.Property(r => r.RuntimeId).HasMaxLength(63);
        builder.Property(r => r.Digest).HasMaxLength(64);
    }
}
