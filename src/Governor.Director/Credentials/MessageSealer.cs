using System.Data;
using System.Security.Cryptography;
using System.Text.Json;
using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Persistence;
using Governor.Messaging.Sealing;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Credentials;

/// <summary>Seals to each runtime the credential versions that its message assigns, and notes that it may hold them.</summary>
internal sealed partial class MessageSealer(DirectorDbContext db, Vault vault, ILogger<MessageSealer> logger)
{
    /// <summary>Reads, and locks until the transaction ends, the versions that some members are assigned, sent now or not.</summary>
    /// <exception cref="DBConcurrencyException">A version was announced as revocable meanwhile: it is sent to nobody any more.</exception>
    public async Task<SealedVersions> ReadAsync(IEnumerable<FleetMember> members, CancellationToken cancellationToken)
    {
        var ids = members.SelectMany(m => m.Credentials()).Select(c => c.Digest!).ToHashSet(StringComparer.Ordinal);
        if (ids.Count == 0)
            return SealedVersions.None;

        var versions = await db.CredentialVersions
            .FromSqlRaw(
                $"SELECT * FROM credential_versions WHERE {db.In("version_id", "ids")} ORDER BY tenant, credential, version{db.ForShare()}",
                db.List("ids", ids))
            .AsNoTracking().ToListAsync(cancellationToken);
        if (versions.Find(v => v.RevocableAt is not null || v.Entries is null) is { } gone)
            throw new DBConcurrencyException($"Version {gone.Version} of credential '{gone.Credential}' has become revocable meanwhile.");
        return new SealedVersions(versions.ToDictionary(
            v => v.VersionId, v => new CredentialSecrets(v.Credential, v.VersionId, Open(v)),
            StringComparer.Ordinal));
    }

    /// <summary>The entries; none if the key ring that protected them is gone: what needs them fails in the runtime, which keeps its last
    /// good content, and everything else goes on.</summary>
    private IReadOnlyDictionary<string, string> Open(CredentialVersion version)
    {
        try
        {
            return vault.Unprotect(version.VersionId, version.Entries!);
        }
        catch (CryptographicException)
        {
            LogUnreadable(version.Version, version.Credential);
            return new Dictionary<string, string>();
        }
    }

    [LoggerMessage(2904, LogLevel.Error,
        "The entries of version {Version} of credential {Credential} cannot be opened, and are sent to nobody; rotate the credential")]
    private partial void LogUnreadable(int version, string credential);

    /// <summary>Notes what runtimes may hold from this transaction on.</summary>
    public async Task NoteAsync(IEnumerable<(FleetMember Member, long Generation)> sent, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("version_id", ColumnType.Text), ("generation", ColumnType.Integer));
        foreach (var (member, generation) in sent)
        {
            foreach (var credential in member.Credentials())
                rows.Add(member.Runtime.RuntimeId, credential.Digest, generation);
        }

        await rows.ExecuteAsync(
            """
            INSERT INTO credential_holdings (runtime_id, version_id, generation, since)
            SELECT x.runtime_id, x.version_id, x.generation, @now FROM {rows} WHERE true
            ON CONFLICT (runtime_id, version_id) DO UPDATE SET generation = excluded.generation
            """, cancellationToken, ("now", now));
    }
}

/// <summary>Versions in clear, for as long as a transaction seals them.</summary>
internal sealed class SealedVersions(IReadOnlyDictionary<string, CredentialSecrets> versions)
{
    public static readonly SealedVersions None = new(new Dictionary<string, CredentialSecrets>());

    /// <summary>The secrets of a member's message; null if it needs none.</summary>
    public string? For(FleetMember member, long generation)
    {
        var credentials = member.Credentials().Select(c => versions[c.Digest!]).ToList();
        return credentials.Count == 0 ? null : RuntimeSecrets.Seal(
            credentials, member.Runtime.RuntimeId, generation,
            JsonSerializer.Deserialize<AgentPublicKey>(member.Runtime.PublicKey!, JsonSerializerOptions.Web)!);
    }
}
