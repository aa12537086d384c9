using System.Collections.Concurrent;
using Governor.Director.Configurations;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Assignments;

/// <summary>Content of one revision of a configuration, parsed, null for a tombstone; or one version of a credential, without
/// its entries.</summary>
/// <param name="Revision">Number of the revision or version.</param>
/// <param name="Digest">Digest of the components, or the version's random id.</param>
/// <param name="CreatedOrder">When the configuration was created: breaks ties of priority.</param>
internal sealed record RevisionContent(
    string Tenant,
    string Item,
    int Revision,
    string? Digest,
    ConfigurationContent? Content,
    long CreatedOrder,
    int Size)
{
    /// <summary>Whether it is a credential's version.</summary>
    public bool IsCredential { get; } = Items.IsCredential(Item);

    /// <summary>Names of the credentials to which its components refer.</summary>
    public IReadOnlySet<string> Credentials { get; } = (Content?.Components ?? [])
        .SelectMany(component => component.Metadata).Select(setting => setting.SecretKeyRef?.Name).OfType<string>()
        .ToHashSet(StringComparer.Ordinal);

    /// <summary>Whether a runtime should hold this revision.</summary>
    public bool Matches(string runtimeId, string kind, IReadOnlyDictionary<string, string> labels) =>
        Content is not null && Content.Target.Matches(runtimeId, kind, labels);
}

/// <summary>Key of a revision.</summary>
internal readonly record struct RevisionKey(string Tenant, string Item, int Revision);

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
            await FindVersionsAsync(db, tenant.Key, [.. tenant.Where(k => Items.IsCredential(k.Item))], found, cancellationToken);
            if (tenant.All(k => Items.IsCredential(k.Item)))
                continue;

            var names = tenant.Select(k => k.Item).Distinct().ToArray();
            var pairs = tenant.Select(k => $"{k.Item}@{k.Revision}").ToArray();
            var rows = await db.Revisions.AsNoTracking()
                .Where(r => r.Tenant == tenant.Key && names.Contains(r.Configuration)
                    && pairs.Contains(r.Configuration + "@" + r.Revision.ToString()))
                .Join(db.Configurations, r => new { r.Tenant, Name = r.Configuration }, c => new { c.Tenant, c.Name },
                    (r, c) => new { Row = r, c.CreatedAt })
                .ToListAsync(cancellationToken);
            foreach (var row in rows)
            {
                var content = Parse(row.Row, row.CreatedAt);
                var key = new RevisionKey(content.Tenant, content.Item, content.Revision);
                found[key] = Keep(key, content);
            }
        }

        return found;
    }

    /// <summary>Reads one revision that is known to exist.</summary>
    public async Task<RevisionContent> GetAsync(DirectorDbContext db, RevisionKey key, CancellationToken cancellationToken) =>
        (await GetAsync(db, [key], cancellationToken))[key];

    private async Task FindVersionsAsync(
        DirectorDbContext db, string tenant, IReadOnlyList<RevisionKey> keys, Dictionary<RevisionKey, RevisionContent> found,
        CancellationToken cancellationToken)
    {
        if (keys.Count == 0)
            return;

        var pairs = keys.Select(k => $"{k.Item}@{k.Revision}").ToArray();
        var names = keys.Select(k => Items.Credential(k.Item)).Distinct().ToArray();
        var rows = await db.CredentialVersions.AsNoTracking()
            .Where(v => v.Tenant == tenant && names.Contains(v.Credential)
                && pairs.Contains(Items.CredentialPrefix + v.Credential + "@" + v.Version.ToString()))
            .Select(v => new { v.Tenant, v.Credential, v.Version, v.VersionId, v.Size }).ToListAsync(cancellationToken);
        foreach (var row in rows)
        {
            var content = OfVersion(row.Tenant, row.Credential, row.Version, row.VersionId, row.Size);
            var key = new RevisionKey(content.Tenant, content.Item, content.Revision);
            found[key] = Keep(key, content);
        }
    }

    /// <summary>A credential's version as what is assigned.</summary>
    public static RevisionContent OfVersion(string tenant, string credential, int version, string versionId, int size) =>
        new(tenant, Items.OfCredential(credential), version, versionId, Content: null, CreatedOrder: 0, size);

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
