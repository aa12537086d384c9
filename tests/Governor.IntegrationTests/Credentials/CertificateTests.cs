using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Governor.IntegrationTests.Crashes;
using Governor.IntegrationTests.Fleet;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.IntegrationTests.Credentials;

/// <summary>The certificate that protects what is stored: without it the database opens nothing, and a Director that others can
/// reach does not start.</summary>
public sealed class CertificateTests : IDisposable
{
    private const string Password = "pass";
    private readonly string path = Path.Combine(Path.GetTempPath(), $"governor-certificate-{Guid.NewGuid():n}.pfx");

    public CertificateTests()
    {
        using var certificate = Make();
        File.WriteAllBytes(path, certificate.Export(X509ContentType.Pkcs12, Password));
    }

    public void Dispose() => File.Delete(path);

    [Fact]
    public async Task Given_a_dump_of_a_director_with_a_certificate_When_somebody_has_nothing_else_Then_neither_they_nor_a_director_of_theirs_can_open_it()
    {
        var secret = $"kept-{Guid.NewGuid():n}";
        await using var fleet = await CredentialFleet.StartAsync(
            ("DataProtection__CertificatePath", path), ("DataProtection__CertificatePassword", Password));
        await fleet.JoinAsync("kept", "kept-1");
        await fleet.Api.GivenUsedAsync("redis", secret, "fleet", "kept");
        Assert.Equal(secret, fleet["kept-1"].Secret("redis"));
        Assert.Equal(0, await fleet.Director.Process.TerminateAsync(RunningDirector.Patience));

        var dump = Encoding.UTF8.GetString(await Evidence.DumpAsync(fleet.Sandbox));
        await using var rows = Rows.Of(fleet.Sandbox);
        var ring = await rows.ColumnAsync<string>("SELECT xml FROM data_protection_keys");
        var versionId = (await rows.ScalarAsync<string>("SELECT version_id FROM credential_versions"))!;
        var entries = (await rows.ScalarAsync<string>("SELECT entries FROM credential_versions"))!;
        var key = (await rows.ScalarAsync<string>("SELECT key FROM sealing_keys"))!;
        Assert.All([entries, key], text => Assert.Contains(text, dump, StringComparison.Ordinal)); // what is read here is what the dump has
        Assert.All(ring, xml => Assert.Contains("EncryptedData", xml, StringComparison.Ordinal));

        using var others = Make();
        using var own = X509CertificateLoader.LoadPkcs12FromFile(path, Password);
        foreach (var thief in new[] { ProtectionOf(ring, certificate: null), ProtectionOf(ring, others) })
        {
            Assert.Throws<CryptographicException>(() => EntriesOf(thief, versionId, entries));
            Assert.Throws<CryptographicException>(() => thief.CreateProtector("Governor.Credentials", "sealing-key").Unprotect(key));
        }

        Assert.Equal(secret, EntriesOf(ProtectionOf(ring, own), versionId, entries)[CredentialApi.Entry]);

        var stolen = Path.ChangeExtension(path, ".others.pfx");
        await File.WriteAllBytesAsync(stolen, others.Export(X509ContentType.Pkcs12), CancellationToken.None);
        try
        {
            await EndsAsync(fleet.Sandbox);
            await EndsAsync(fleet.Sandbox, ("DataProtection__CertificatePath", stolen));
        }
        finally
        {
            File.Delete(stolen);
        }

        // Those have left nothing behind, above all no key that others can open: the owner goes on.
        Assert.Equal(ring, await rows.ColumnAsync<string>("SELECT xml FROM data_protection_keys"));
        await using var again = await RunningDirector.StartAsync(
            fleet.Sandbox, ("DataProtection__CertificatePath", path), ("DataProtection__CertificatePassword", Password));
        await again.Api.RotatedAsync("redis", "next");
        Assert.DoesNotContain("The database holds keys in clear", again.Process.Output, StringComparison.Ordinal);
        Assert.Equal("next", fleet["kept-1"].Secret("redis"));
    }

    [Theory]
    [InlineData("Urls", "http://0.0.0.0:0")]
    [InlineData("Urls", "http://*:0")]
    [InlineData("Urls", "http://[::]:0")]
    [InlineData("Urls", "http://127.0.0.1:0;http://0.0.0.0:0")]
    [InlineData("Kestrel__Endpoints__Http__Url", "http://0.0.0.0:0")]
    public async Task Given_a_director_that_listens_beyond_loopback_without_a_certificate_When_it_starts_Then_it_refuses_in_one_line(string key, string value)
    {
        var environment = Nowhere();
        environment[key] = value;
        await RefusesAsync(environment, "DataProtection__CertificatePath");
    }

    [Theory]
    [InlineData("wrong")]
    [InlineData(null)]
    public async Task Given_a_wrong_password_of_the_certificate_When_the_director_starts_Then_it_refuses_in_one_line(string? password)
    {
        var environment = Nowhere();
        environment["DataProtection__CertificatePath"] = path;
        environment["DataProtection__CertificatePassword"] = password;
        var output = await RefusesAsync(environment, "DataProtection__CertificatePassword");
        Assert.DoesNotContain("wrong\"", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_a_certificate_that_is_not_there_When_the_director_starts_Then_it_refuses_in_one_line()
    {
        var environment = Nowhere();
        environment["DataProtection__CertificatePath"] = path + ".missing";
        await RefusesAsync(environment, "DataProtection__CertificatePath");
    }

    [Fact]
    public async Task Given_a_certificate_When_the_director_listens_beyond_loopback_Then_it_starts()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var director = await RunningDirector.StartListeningAsync(sandbox,
            ("DataProtection__CertificatePath", path), ("DataProtection__CertificatePassword", Password), ("Urls", "http://0.0.0.0:0"));
        Assert.StartsWith("http://0.0.0.0:", $"{director.Api.Address}", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_a_database_from_before_there_was_a_certificate_When_one_is_set_Then_what_was_stored_can_be_used_and_a_warning_says_what_protects_it()
    {
        const string Warning = "The database holds keys in clear";
        await using var sandbox = await Sandbox.CreateAsync();
        await using (var before = await RunningDirector.StartAsync(sandbox))
        {
            await before.Api.RotatedAsync("redis", "one");
            Assert.Contains("whoever has a dump", before.Process.Output, StringComparison.Ordinal);
            Assert.Equal(0, await before.Process.TerminateAsync(RunningDirector.Patience));
        }

        using var folder = new AgentFolder("before-1");
        await using var director = await RunningDirector.StartAsync(
            sandbox, ("DataProtection__CertificatePath", path), ("DataProtection__CertificatePassword", Password));
        await director.Process.WaitForLineAsync(line => line.Contains(Warning, StringComparison.Ordinal), RunningDirector.Patience);
        await director.Api.RegisterAsync(["before-1"], ("fleet", "before"));
        await using var agent = folder.StartAgent(sandbox);
        await director.Api.WaitUntilHeardAsync(["before-1"]);
        await director.Api.WaitUntilEndedAsync(
            await director.Api.ChangeAsync("before", CredentialApi.Using(Contents.Logging("https://before.example", "fleet", "before"), "redis")), "Succeeded");
        Assert.Equal("one", folder.Secret("redis"));
    }

    [Fact]
    public async Task Given_a_password_in_the_environment_When_a_certificate_is_made_Then_the_file_has_it()
    {
        File.Delete(path);
        await using var command = GovernorProcess.Start("Governor.Director",
            new Dictionary<string, string?>(StringComparer.Ordinal) { ["DataProtection__CertificatePassword"] = "s3cret" }, ["certificate", path]);
        Assert.Equal(0, await command.WaitForExitAsync(RunningDirector.Patience));
        using var made = X509CertificateLoader.LoadPkcs12FromFile(path, "s3cret");
        Assert.ThrowsAny<CryptographicException>(() => X509CertificateLoader.LoadPkcs12FromFile(path, password: null));
        Assert.DoesNotContain("s3cret", command.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_an_address_that_is_none_When_the_director_starts_Then_it_refuses_in_one_line_that_names_it()
    {
        var environment = Nowhere();
        environment["Urls"] = "garbage";
        await using var director = GovernorProcess.Start("Governor.Director", environment);
        Assert.Equal(1, await director.WaitForExitAsync(RunningDirector.Patience));
        Assert.Single(director.Output.Split('\n'), line => line.Contains("Urls=garbage", StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", director.Output, StringComparison.Ordinal);
    }

    /// <summary>Where neither broker nor database are: whoever looks for them first says something else.</summary>
    private static Dictionary<string, string?> Nowhere() => new(StringComparer.Ordinal)
    {
        ["ConnectionStrings__RabbitMq"] = "amqp://user:password@127.0.0.1:1/",
        ["ConnectionStrings__Director"] = "Host=127.0.0.1;Port=1;Database=none;Username=none;Password=none",
    };

    private static async Task<string> RefusesAsync(Dictionary<string, string?> environment, string names)
    {
        await using var director = GovernorProcess.Start("Governor.Director", environment);
        Assert.NotEqual(0, await director.WaitForExitAsync(RunningDirector.Patience));
        var line = Assert.Single(director.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(names, line, StringComparison.Ordinal);
        return director.Output;
    }

    /// <summary>A Director that is told by the database only that it has not the right certificate.</summary>
    private static async Task EndsAsync(Sandbox sandbox, params (string Key, string? Value)[] settings)
    {
        await using var director = GovernorProcess.Start("Governor.Director", RunningDirector.Environment(sandbox, settings));
        Assert.Equal(1, await director.WaitForExitAsync(RunningDirector.Patience));
        Assert.Single(director.Output.Split('\n'), line => line.Contains("DataProtection__CertificatePath", StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", director.Output, StringComparison.Ordinal);
    }

    private static Dictionary<string, string> EntriesOf(IDataProtectionProvider protection, string versionId, string entries) =>
        JsonSerializer.Deserialize<Dictionary<string, string>>(
            protection.CreateProtector("Governor.Credentials", "version", versionId).Unprotect(entries))!;

    /// <summary>All that can be made of a key ring, with a certificate or none.</summary>
    private static IDataProtectionProvider ProtectionOf(IReadOnlyList<string> ring, X509Certificate2? certificate)
    {
        var services = new ServiceCollection();
        var protection = services.AddDataProtection().SetApplicationName("Governor").DisableAutomaticKeyGeneration();
        if (certificate is not null)
            protection.UnprotectKeysWithAnyCertificate(certificate);
        services.Configure<KeyManagementOptions>(options => options.XmlRepository = new Dump(ring));
        return services.BuildServiceProvider().GetRequiredService<IDataProtectionProvider>();
    }

    private static X509Certificate2 Make()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=governor", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
    }

    /// <summary>The key ring as a dump of the database has it.</summary>
    private sealed class Dump(IReadOnlyList<string> ring) : IXmlRepository
    {
        public IReadOnlyCollection<XElement> GetAllElements() => [.. ring.Select(XElement.Parse)];

        public void StoreElement(XElement element, string friendlyName) => throw new NotSupportedException();
    }
}
