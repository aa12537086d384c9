using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Governor.Director.Operations;

namespace Governor.Director.Credentials;

/// <summary>The command <c>certificate</c>: makes the certificate that encrypts the key ring.</summary>
internal static class CertificateCommand
{
    /// <summary>Its name on the command line.</summary>
    public const string Name = "certificate";

    private const string PasswordKey = "DataProtection__CertificatePassword";
    private const int KeySize = 3072;
    private const int Years = 10;

    /// <summary>Writes a new PKCS#12 file, with the password by which a Director with these settings opens it; one that is there
    /// stays as it is.</summary>
    /// <param name="args">The file.</param>
    /// <param name="clock">Gives the present.</param>
    /// <param name="output">Takes what was done.</param>
    /// <exception cref="StartException">Not one file is named, or it cannot be written.</exception>
    public static Task RunAsync(string[] args, TimeProvider clock, TextWriter output) =>
        // Without the arguments, which others see in the list of processes: no password comes from there.
        RunAsync(args, WebApplication.CreateSlimBuilder().Configuration, clock, output);

    /// <inheritdoc cref="RunAsync(string[], TimeProvider, TextWriter)"/>
    /// <param name="configuration">The settings.</param>
    internal static async Task RunAsync(string[] args, IConfiguration configuration, TimeProvider clock, TextWriter output)
    {
        if (args is not [{ Length: > 0 } path])
            throw new StartException($"Name the file to write, and nothing else: Governor.Director {Name} protection.pfx; if it is to have a password, set {PasswordKey} to it in the environment.");
        if (File.Exists(path))
        {
            await output.WriteLineAsync($"{path} is there already and stays as it is.");
            return;
        }

        var password = configuration["DataProtection:CertificatePassword"] is { Length: > 0 } given ? given : null;
        using var key = RSA.Create(KeySize);
        var now = clock.GetUtcNow();
        using var certificate = new CertificateRequest("CN=Governor data protection", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .CreateSelfSigned(now.AddDays(-1), now.AddYears(Years));
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            await using var file = new FileStream(path, options);
            await file.WriteAsync(certificate.Export(X509ContentType.Pkcs12, password));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartException($"{path} cannot be written: {e.Message}", e);
        }

        var (with, and) = password is null ? ($"without a password, since {PasswordKey} is not set", "") : ("with a password", $" and the same {PasswordKey}");
        await output.WriteLineAsync($"{path} is written, {with}. Start every Director with DataProtection__CertificatePath={path}{and}, and keep a copy apart from the database's backups: without it, the credentials in them are lost.");
    }
}
