using System.Collections.Concurrent;
using Governor.Director.Configurations;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Assignments;

/// <summary>Content of one revision, parsed; null content is a tombstone.</summary>
/// <param name="CreatedOrder">When the configuration was created: breaks ties of priority.</param>
internal sealed record RevisionContent(
    string Tenant,
    string Configuration,
    int Revision,
    string? Digest,
    ConfigurationContent? Content,
    long CreatedOrder,
    int Size)
{
    /// <summary>Whether a runtime should hold this revision.</summary>
    public bool Matches(string runtimeId, string kind, IReadOnlyDictionary<string, string> labels) =>
        Content is not null && Content.Target.Matches(runtimeId, kind, labels);
}

/// <summary>Key of a revision.</summary>
internal readonly record struct RevisionKey(string Tenant, string Configuration, int Revision);

/// <summary>Revisions are immutable, so they are read once and kept parsed, in a process that sends the same ones to a
/// whole fleet. Bounded by dropping everything when it grows over its limit: that costs one query per content again.</summary>
internal sealed class RevisionContents
{
    private const long LimitInBytes = 128 * 1024 * 1024;
    private readonly ConcurrentDictionary<RevisionKey, RevisionContent> cache = new();
    private long size;

    /// <summary>Reads the revisions given, with at most one query per tenant.</summary>
    public async Task<IReadOnlyDictionary<RevisionKey, RevisionContent>> GetAsync(
        DirectorDbContext db, IEnumerable<RevisionKey> keys, CancellationToken cancellationToken)
    {
        var found = new Dictionary<RevisionKey, RevisionContent>();
        var missing = new HashSet<RevisionKey>();
        foreach (var key in keys)
        {
            if (cache.TryGetValue(key, out var content))
                found[key] = content;
            else
                missing.Add(key);
        }

        foreach (var tenant in missing.GroupBy(k => k.Tenant))
        {
            var names = tenant.Select(k => k.Configuration).Distinct().ToArray();
            var pairs = tenant.Select(k => $"{k.Configuration}@{k.Revision}").ToArray();
            var rows = await db.Revisions.AsNoTracking()
                .Where(r => r.Tenant == tenant.Key && names.Contains(r.Configuration)
                    && pairs.Contains(r.Configuration + "@" + r.Revision.ToString()))
                .Join(db.Configurations, r => new { r.Tenant, Name = r.Configuration }, c => new { c.Tenant, c.Name },
                    (r, c) => new { Row = r, c.CreatedAt })
                .ToListAsync(cancellationToken);
            foreach (var row in rows)
            {
                var content = Parse(row.Row, row.CreatedAt);
                var key = new RevisionKey(content.Tenant, content.Configuration, content.Revision);
                found[key] = Keep(key, content);
            }
        }

        return found;
    }

    /// <summary>Reads one revision that is known to exist.</summary>
    public async Task<RevisionContent> GetAsync(DirectorDbContext db, RevisionKey key, CancellationToken cancellationToken) =>
        (await GetAsync(db, [key], cancellationToken))[key];

    private static RevisionContent Parse(ConfigurationRevision row, DateTimeOffset createdAt) => new(
        row.Tenant, row.Configuration, row.Revision, row.Digest,
        row.Content is null ? null : ConfigurationContent.FromJson(row.Content), createdAt.UtcTicks, row.Size);

    private RevisionContent Keep(RevisionKey key, RevisionContent content)
    {
        if (Interlocked.Add(ref size, content.Size + 1024) > LimitInBytes)
        {
            cache.Clear();
            Interlocked.Exchange(ref size, content.Size + 1024);
        }

        cache[key] = content;
        return content;
    }
}
