using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Credentials;

/// <summary>Settings of the protection at rest, section <c>DataProtection</c>.</summary>
internal sealed class ProtectionOptions
{
    /// <summary>PKCS#12 file with the certificate, and its private RSA key, that encrypts the key ring.</summary>
    public string? CertificatePath { get; set; }

    /// <summary>Password of that file; none if it has none.</summary>
    public string? CertificatePassword { get; set; }

    /// <summary>PKCS#12 file of the certificate before: what it encrypted stays readable.</summary>
    public string? FormerCertificatePath { get; set; }

    /// <summary>Password of that file.</summary>
    public string? FormerCertificatePassword { get; set; }
}

/// <summary>Registers credentials, and the protection of what is stored of them.</summary>
internal static class CredentialRegistration
{
    /// <summary>Adds the services.</summary>
    /// <exception cref="StartException">The certificate cannot be read.</exception>
    public static void AddCredentials(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddScoped<CredentialHandler>();
        services.AddScoped<CredentialReferences>();
        services.AddScoped<VersionStages>();
        services.AddScoped<Revocation>();
        services.AddScoped<MessageSealer>();
        services.AddSingleton<Vault>();
        services.AddSingleton<SealingKeys>();
        services.AddHostedService<ProtectionStart>();

        var options = builder.Configuration.GetSection("DataProtection").Get<ProtectionOptions>() ?? new ProtectionOptions();
        var protection = services.AddDataProtection().SetApplicationName("Governor").PersistKeysToDbContext<DirectorDbContext>();
        if (options.CertificatePath is null)
        {
            if (!ListensOnLoopbackOnly(builder.Configuration))
            {
                throw new StartException(
                    "DataProtection__CertificatePath is missing, and the Director listens beyond loopback: set it to a PKCS#12 file with an RSA key, which encrypts what is stored of credentials; the README says how to make one.");
            }

            return;
        }

        var certificate = Load(options.CertificatePath, options.CertificatePassword, "CertificatePath");
        protection.ProtectKeysWithCertificate(certificate);
        if (options.FormerCertificatePath is { } former)
            protection.UnprotectKeysWithAnyCertificate(certificate, Load(former, options.FormerCertificatePassword, "FormerCertificatePath"));
        else
            protection.UnprotectKeysWithAnyCertificate(certificate);
    }

    private static X509Certificate2 Load(string path, string? password, string key)
    {
        try
        {
            var certificate = X509CertificateLoader.LoadPkcs12FromFile(path, password);
            if (certificate.GetRSAPrivateKey() is not null)
                return certificate;
            throw new StartException($"DataProtection__{key}: {path} holds no RSA private key; the README says how to make one.");
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new StartException($"DataProtection__{key}: {path} cannot be read as a PKCS#12 file: {e.Message} Is DataProtection__{key.Replace("Path", "Password", StringComparison.Ordinal)} right?", e);
        }
    }

    /// <summary>Whether the server is told of no address that others reach; without a word it listens on loopback. What is no address is
    /// left to the server, which says so.</summary>
    private static bool ListensOnLoopbackOnly(ConfigurationManager configuration) =>
        configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(endpoint => endpoint["Url"] ?? "")
            .Concat((configuration["Urls"] ?? "").Split(';', StringSplitOptions.TrimEntries))
            .All(url => !IsAddress(url) || Listen.IsLoopback(url));

    private static bool IsAddress(string url)
    {
        try
        {
            return url.Contains("://", StringComparison.Ordinal) && BindingAddress.Parse(url).Host.Length > 0;
        }
        catch (FormatException)
        {
            return false;
        }
    }
}

/// <summary>Makes the keys before anything needs them, so that none is made inside another's transaction; and says what their
/// protection is worth.</summary>
internal sealed partial class ProtectionStart(
    SealingKeys keys, IKeyManager ring, IServiceScopeFactory scopes, IConfiguration configuration, IHostApplicationLifetime lifetime,
    ILogger<ProtectionStart> logger) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            // Asked first: whoever can open none of the keys would add one of their own, without a certificate in clear, and that
            // would be the one that all Directors use from then on.
            if (ring.GetAllKeys() is { Count: > 0 } present && !present.Any(CanOpen))
                throw new CryptographicException("None of the keys can be opened.");
            await keys.GetAsync(cancellationToken);
        }
        catch (CryptographicException)
        {
            // With another certificate than the others' it must not take part: what it sent would lack its secrets.
            LogUnreadable();
            Environment.ExitCode = 1;
            lifetime.StopApplication();
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        }

        if (configuration["DataProtection:CertificatePath"] is null)
            LogUnprotected();
        else if (await IsAnyInClearAsync(cancellationToken))
            LogPartlyUnprotected();
    }

    /// <summary>Whether there are keys from before there was a certificate: it encrypts only those that are made from then on.</summary>
    private async Task<bool> IsAnyInClearAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<DirectorDbContext>().DataProtectionKeys
            .AnyAsync(k => k.Xml!.Contains("<masterKey"), cancellationToken);
    }

    private static bool CanOpen(IKey key)
    {
        try
        {
            return key.CreateEncryptor() is not null;
        }
        catch (Exception e) when (e is CryptographicException or InvalidOperationException)
        {
            return false;
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(2902, LogLevel.Warning,
        "DataProtection__CertificatePath is not set: whoever has a dump of the database can decrypt the credentials in it")]
    private partial void LogUnprotected();

    [LoggerMessage(2905, LogLevel.Warning,
        "The database holds keys in clear, from before DataProtection__CertificatePath was set: whoever has a dump of it can decrypt what they protect, which is all that was stored until then and, while they last (90 days from when they were made), what is stored now; for secrets that matter, begin with the certificate and an empty database")]
    private partial void LogPartlyUnprotected();

    [LoggerMessage(2903, LogLevel.Critical,
        "What the database holds of credentials cannot be opened: DataProtection__CertificatePath is not the certificate that encrypted its key ring. Start with that one; if it is gone for good, the runbook says what to do. Stopping")]
    private partial void LogUnreadable();
}
