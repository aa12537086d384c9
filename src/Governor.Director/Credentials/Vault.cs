using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Governor.Director.Persistence;
using Governor.Messaging.Sealing;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Governor.Director.Credentials;

/// <summary>Protects what the database keeps of secrets. Each text is bound to the version that it belongs to: moved to another
/// row it opens nothing.</summary>
internal sealed class Vault(IDataProtectionProvider protection)
{
    private const string Purpose = "Governor.Credentials";

    /// <summary>Protects the entries of a version.</summary>
    public string Protect(string versionId, IReadOnlyDictionary<string, string> entries) =>
        ProtectorOf(versionId).Protect(JsonSerializer.Serialize(entries));

    /// <summary>Reads the entries of a version.</summary>
    /// <exception cref="CryptographicException">The key ring cannot open them: the certificate is another one, or the text was changed.</exception>
    public IReadOnlyDictionary<string, string> Unprotect(string versionId, string entries) =>
        JsonSerializer.Deserialize<Dictionary<string, string>>(ProtectorOf(versionId).Unprotect(entries))!;

    /// <summary>Protects the Director's sealing key.</summary>
    public string Protect(SealingKeyPair key) => protection.CreateProtector(Purpose, "sealing-key").Protect(key.ToPem());

    /// <summary>Reads the Director's sealing key.</summary>
    public SealingKeyPair UnprotectKey(string text) =>
        SealingKeyPair.FromPem(protection.CreateProtector(Purpose, "sealing-key").Unprotect(text));

    private IDataProtector ProtectorOf(string versionId) => protection.CreateProtector(Purpose, "version", versionId);
}

/// <summary>The Director's sealing key, shared by all its replicas. One row.</summary>
internal sealed class SealingKeyRow
{
    /// <summary>The one row.</summary>
    public const int TheOne = 1;

    public int Id { get; init; }

    /// <summary>The private key, protected.</summary>
    public required string Key { get; init; }

    public DateTimeOffset CreatedAt { get; init; }
}

internal sealed class SealingKeyMapping : IEntityTypeConfiguration<SealingKeyRow>
{
    public void Configure(EntityTypeBuilder<SealingKeyRow> builder)
    {
        builder.ToTable("sealing_keys").HasKey(k => k.Id);
        builder.Property(k => k.Id).ValueGeneratedNever();
    }
}

/// <summary>Gives the Director's sealing key, which is made when it is first asked for.</summary>
internal sealed class SealingKeys(IServiceScopeFactory scopes, Vault vault, TimeProvider clock)
{
    private volatile SealingKeyPair? key;

    /// <summary>The key; the same for every Director on the database.</summary>
    public async Task<SealingKeyPair> GetAsync(CancellationToken cancellationToken) =>
        key ??= await ReadOrMakeAsync(cancellationToken);

    /// <summary>Stands for a request that carries secrets in clear, so that a repeat can be told from another request without
    /// keeping a plain hash, from which a weak secret could be guessed.</summary>
    public async Task<byte[]> FingerprintAsync(byte[] request, CancellationToken cancellationToken)
    {
        var secret = SHA256.HashData(Encoding.ASCII.GetBytes((await GetAsync(cancellationToken)).ToPem()));
        return HMACSHA256.HashData(secret, request);
    }

    private async Task<SealingKeyPair> ReadOrMakeAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<DirectorDbContext>();
        if (await FindAsync(db, cancellationToken) is { } found)
            return found;

        var made = vault.Protect(SealingKeyPair.Create());
        await using (var transaction = await db.Database.BeginTransactionAsync(cancellationToken))
        {
            // Another Director may be faster; then its key is the one.
            await db.Database.ExecuteSqlRawAsync(
                "INSERT INTO sealing_keys (id, key, created_at) VALUES (@id, @key, @now) ON CONFLICT (id) DO NOTHING",
                [db.Parameter("id", SealingKeyRow.TheOne), db.Parameter("key", made), db.Parameter("now", clock.GetUtcNow())],
                cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }

        return (await FindAsync(db, cancellationToken))!;
    }

    private async Task<SealingKeyPair?> FindAsync(DirectorDbContext db, CancellationToken cancellationToken) =>
        await db.SealingKeys.AsNoTracking().Where(k => k.Id == SealingKeyRow.TheOne).Select(k => k.Key)
            .SingleOrDefaultAsync(cancellationToken) is { } text ? vault.UnprotectKey(text) : null;
}
