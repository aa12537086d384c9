using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Configurations;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Credentials;

/// <summary>A component's reference to an entry of a credential, and where a request has it.</summary>
/// <param name="Path">JSON path of the reference.</param>
/// <param name="Credential">Name of the credential.</param>
/// <param name="Key">Name of the entry.</param>
internal sealed record CredentialReference(string Path, string Credential, string Key);

/// <summary>Keeps references and entries together: a configuration may refer to what is there, and a rotation keeps what is
/// referred to. Both look under the lock of the credential's row, so that of two at once the second sees the first.</summary>
internal sealed class CredentialReferences(DirectorDbContext db, RevisionContents revisions)
{
    /// <summary>Refuses references to what is not there. Locks the credentials until the caller's transaction ends.</summary>
    public async Task<Refusal?> CheckAsync(
        string tenant, IReadOnlyCollection<CredentialReference> references, CancellationToken cancellationToken)
    {
        if (references.Count == 0)
            return null;

        var names = references.Select(r => r.Credential).Distinct(StringComparer.Ordinal).ToList();
        await db.Database.ExecuteSqlRawAsync(
            $"SELECT name FROM credentials WHERE tenant = @tenant AND {db.In("name", "names")} ORDER BY name{db.ForShare()}",
            [db.Parameter("tenant", tenant), db.List("names", names)], cancellationToken);

        // What is on its way must have the entry as well as what is there, also where a failed rotation has left its version.
        var versions = (await db.CredentialVersions.AsNoTracking()
                .Where(v => v.Tenant == tenant && names.Contains(v.Credential) && v.RevocableAt == null
                    && (v.Stage == VersionStage.Current || v.Stage == VersionStage.Pending
                        || db.Assignments.Any(a => a.Item == Items.CredentialPrefix + v.Credential && a.Digest == v.VersionId)))
                .Select(v => new { v.Credential, v.Version, v.Keys }).ToListAsync(cancellationToken))
            .ToLookup(v => v.Credential, StringComparer.Ordinal);
        var errors = new RequestErrors();
        foreach (var (path, credential, key) in references)
        {
            if (!versions.Contains(credential))
            {
                errors.Unacceptable("unknown-credential", $"{path}.name",
                    $"refers to the credential \"{credential}\", which does not exist; make it first, by POST /api/v1/credentials/{credential}/rotations.");
            }
            else if (versions[credential].FirstOrDefault(v => !v.Keys.Contains(key, StringComparer.Ordinal)) is { } lacking)
            {
                errors.Unacceptable("unknown-entry", $"{path}.key",
                    $"refers to the entry \"{key}\", which version {lacking.Version} of the credential \"{credential}\" (in use, or on its way) does not have; it has {string.Join(", ", lacking.Keys.Order(StringComparer.Ordinal))}.");
            }
        }

        return errors.Any ? errors.ToRefusal() : null;
    }

    /// <summary>Refuses a version that lacks an entry to which a component refers: one that is in a runtime, on its way, or may
    /// come back. The caller has locked the credential.</summary>
    public async Task<Refusal?> CheckRotationAsync(
        string tenant, string credential, IEnumerable<string> keys, CancellationToken cancellationToken)
    {
        var assigned = db.Assignments
            .Where(a => db.Runtimes.Any(r => r.RuntimeId == a.RuntimeId && r.Tenant == tenant))
            .Where(a => !a.Item.StartsWith(Items.CredentialPrefix));
        var pairs = await assigned.Select(a => new { a.Item, a.Revision })
            .Union(assigned.Where(a => a.LastGoodRevision != null).Select(a => new { a.Item, Revision = a.LastGoodRevision!.Value }))
            .Union(db.Rollouts.Where(r => r.Tenant == tenant && r.EndedAt == null && !r.Item.StartsWith(Items.CredentialPrefix))
                .Select(r => new { r.Item, r.Revision }))
            .Union(db.Configurations.Where(c => c.Tenant == tenant && c.StableRevision > 0).Select(c => new { Item = c.Name, Revision = c.StableRevision }))
            .ToListAsync(cancellationToken);
        var contents = await revisions.GetAsync(db, pairs.Select(p => new RevisionKey(tenant, p.Item, p.Revision)), cancellationToken);

        var given = keys.ToHashSet(StringComparer.Ordinal);
        var missing = contents.Values
            .SelectMany(c => ReferencesOf(c, credential).Where(key => !given.Contains(key)).Select(key => (Key: key, Configuration: c.Item)))
            .Distinct().OrderBy(m => m.Key, StringComparer.Ordinal).ThenBy(m => m.Configuration, StringComparer.Ordinal).ToList();
        if (missing.Count == 0)
            return null;

        var errors = new RequestErrors();
        foreach (var (key, configuration) in missing)
            errors.Unacceptable("entry-in-use", $"entries.{key}", $"is missing, and configuration \"{configuration}\" refers to it; give it, or change the configuration first.");
        return errors.ToRefusal();
    }

    private static IEnumerable<string> ReferencesOf(RevisionContent content, string credential) =>
        (content.Content?.Components ?? []).SelectMany(c => c.Metadata).Select(m => m.SecretKeyRef)
            .OfType<SecretKeyRef>().Where(r => r.Name == credential).Select(r => r.Key);
}
