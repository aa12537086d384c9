using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Governor.Director.Credentials;
using Governor.Director.Tests.Hosting;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Director.Tests.Credentials;

/// <summary>What the database holds opens nothing without the certificate, which is not in it.</summary>
public sealed class ProtectionTests : DirectorTests
{
    private readonly string path = Path.Combine(Path.GetTempPath(), $"governor-protection-{Guid.NewGuid():n}.pfx");

    private protected override (string Key, string Value)[] Settings
    {
        get
        {
            File.WriteAllBytes(path, Certificate().Export(X509ContentType.Pkcs12, "pass"));
            return [("DataProtection:CertificatePath", path), ("DataProtection:CertificatePassword", "pass")];
        }
    }

    [Fact]
    public async Task Given_all_that_the_database_holds_When_somebody_tries_to_decrypt_it_Then_they_need_the_certificate()
    {
        await Host.GivenCredentialAsync("redis", "s3cr3t-value");
        var (id, entries) = await Host.ReadAsync(async db =>
        {
            var version = await db.CredentialVersions.AsNoTracking().SingleAsync();
            return (version.VersionId, version.Entries!);
        });
        var sealingKey = await Host.ReadAsync(db => db.SealingKeys.Select(k => k.Key).SingleAsync());
        var ring = await Host.ReadAsync(db => db.DataProtectionKeys.AsNoTracking().Select(k => k.Xml!).ToListAsync());
        Assert.All(ring, xml => Assert.Contains("EncryptedData", xml, StringComparison.Ordinal));

        var thief = Vault(ring, certificate: null);
        Assert.Throws<CryptographicException>(() => thief.Unprotect(id, entries));
        Assert.Throws<CryptographicException>(() => thief.UnprotectKey(sealingKey));
        Assert.Throws<CryptographicException>(() => Vault(ring, Certificate()).Unprotect(id, entries));

        var owner = Vault(ring, X509CertificateLoader.LoadPkcs12FromFile(path, "pass"));
        Assert.Equal("s3cr3t-value", owner.Unprotect(id, entries)["password"]);
        Assert.NotNull(owner.UnprotectKey(sealingKey));
        Assert.Throws<CryptographicException>(() => owner.Unprotect(Guid.NewGuid().ToString("n"), entries)); // moved to another row
        File.Delete(path);
    }

    private static Vault Vault(List<string> ring, X509Certificate2? certificate)
    {
        var services = new ServiceCollection();
        var protection = services.AddDataProtection().SetApplicationName("Governor").DisableAutomaticKeyGeneration();
        if (certificate is not null)
            protection.UnprotectKeysWithAnyCertificate(certificate);
        services.Configure<KeyManagementOptions>(options => options.XmlRepository = new Dump(ring));
        return new Vault(services.BuildServiceProvider().GetRequiredService<IDataProtectionProvider>());
    }

    private static X509Certificate2 Certificate()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=governor", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
    }

    /// <summary>The key ring as a dump of the database has it.</summary>
    private sealed class Dump(List<string> ring) : IXmlRepository
    {
        public IReadOnlyCollection<System.Xml.Linq.XElement> GetAllElements() => [.. ring.Select(System.Xml.Linq.XElement.Parse)];

        public void StoreElement(System.Xml.Linq.XElement element, string friendlyName) => throw new NotSupportedException();
    }
}
