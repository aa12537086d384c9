using System.Security.Cryptography.X509Certificates;
using Governor.Director.Credentials;
using Governor.Director.Operations;

namespace Governor.Director.Tests.Credentials;

/// <summary>The command that makes the certificate.</summary>
public sealed class CertificateCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("governor-certificate-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(null)]
    [InlineData("pass")]
    public async Task Given_a_free_name_Then_a_certificate_with_an_RSA_key_is_there_for_its_owner_alone(string? password)
    {
        var path = Path.Combine(folder, "protection.pfx");
        var output = new StringWriter();

        await CertificateCommand.RunAsync(password is null ? [path] : [path, password], TimeProvider.System, output);

        using var certificate = X509CertificateLoader.LoadPkcs12FromFile(path, password);
        Assert.Equal(3072, certificate.GetRSAPrivateKey()!.KeySize);
        Assert.True(certificate.NotAfter.ToUniversalTime() > TimeProvider.System.GetUtcNow().UtcDateTime.AddYears(9));
        Assert.Contains("DataProtection__CertificatePath", output.ToString(), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    [Fact]
    public async Task Given_a_file_that_is_there_Then_it_stays_as_it_is()
    {
        var path = Path.Combine(folder, "protection.pfx");
        await File.WriteAllTextAsync(path, "mine", TestContext.Current.CancellationToken);
        await CertificateCommand.RunAsync([path], TimeProvider.System, TextWriter.Null);
        Assert.Equal("mine", await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData]
    [InlineData("")]
    [InlineData("a", "b", "c")]
    [InlineData("nowhere/protection.pfx")]
    public async Task Given_arguments_that_cannot_be_followed_Then_one_line_says_what_to_do(params string[] args)
    {
        var error = await Assert.ThrowsAsync<StartException>(() => CertificateCommand.RunAsync(
            [.. args.Select(arg => arg.Contains('/', StringComparison.Ordinal) ? Path.Combine(folder, arg) : arg)], TimeProvider.System, TextWriter.Null));
        Assert.DoesNotContain('\n', error.Message);
    }
}
