using System.Security.Cryptography.X509Certificates;
using Governor.Director.Credentials;
using Governor.Director.Operations;
using Microsoft.Extensions.Configuration;

namespace Governor.Director.Tests.Credentials;

/// <summary>The command that makes the certificate.</summary>
public sealed class CertificateCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("governor-certificate-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(null)]
    [InlineData("")] // as an empty variable of the environment gives it; a Director then opens the file with it
    [InlineData("s3cret")]
    public async Task Given_a_free_name_Then_a_certificate_with_an_RSA_key_is_there_for_its_owner_alone(string? password)
    {
        var path = Path.Combine(folder, "protection.pfx");
        var output = new StringWriter();

        await CertificateCommand.RunAsync([path], Settings(password), TimeProvider.System, output);

        using var certificate = X509CertificateLoader.LoadPkcs12FromFile(path, password);
        Assert.Equal(3072, certificate.GetRSAPrivateKey()!.KeySize);
        Assert.True(certificate.NotAfter.ToUniversalTime() > TimeProvider.System.GetUtcNow().UtcDateTime.AddYears(9));
        Assert.Contains("DataProtection__CertificatePath", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("DataProtection__CertificatePassword", output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", output.ToString(), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    [Fact]
    public async Task Given_a_file_that_is_there_Then_it_stays_as_it_is()
    {
        var path = Path.Combine(folder, "protection.pfx");
        await File.WriteAllTextAsync(path, "mine", TestContext.Current.CancellationToken);
        await CertificateCommand.RunAsync([path], Settings("another"), TimeProvider.System, TextWriter.Null);
        Assert.Equal("mine", await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Given_a_password_as_an_argument_Then_it_is_refused_and_not_repeated_and_the_line_says_where_it_belongs()
    {
        var path = Path.Combine(folder, "protection.pfx");
        var error = await Assert.ThrowsAsync<StartException>(
            () => CertificateCommand.RunAsync([path, "s3cret"], Settings("another"), TimeProvider.System, TextWriter.Null));
        Assert.Contains("DataProtection__CertificatePassword", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(path));
    }

    [Theory]
    [InlineData]
    [InlineData("")]
    [InlineData("nowhere/protection.pfx")]
    public async Task Given_arguments_that_cannot_be_followed_Then_one_line_says_what_to_do(params string[] args)
    {
        var error = await Assert.ThrowsAsync<StartException>(() => CertificateCommand.RunAsync(
            [.. args.Select(arg => arg.Contains('/', StringComparison.Ordinal) ? Path.Combine(folder, arg) : arg)], Settings(null), TimeProvider.System, TextWriter.Null));
        Assert.DoesNotContain('\n', error.Message);
    }

    private static IConfiguration Settings(string? password) => new ConfigurationBuilder()
        .AddInMemoryCollection([KeyValuePair.Create("DataProtection:CertificatePassword", password)]).Build();
}
