using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Governor.Director.Operations;

namespace Governor.Director.Credentials;

/// <summary>The command <c>certificate</c>: makes the certificate that encrypts the key ring.</summary>
internal static class CertificateCommand
{
    /// <summary>Its name on the command line.</summary>
    public const string Name = "certificate";

    private const int KeySize = 3072;
    private const int Years = 10;

    /// <summary>Writes a new PKCS#12 file; one that is there stays as it is.</summary>
    /// <param name="args">The file, and its password if it is to have one.</param>
    /// <param name="clock">Gives the present.</param>
    /// <param name="output">Takes what was done.</param>
    /// <exception cref="StartException">No file is named, or it cannot be written.</exception>
    public static async Task RunAsync(string[] args, TimeProvider clock, TextWriter output)
    {
        if (args is not [{ Length: > 0 } path, ..] || args.Length > 2)
            throw new StartException($"Name the file to write, and its password if it is to have one: Governor.Director {Name} protection.pfx [password]");
        if (File.Exists(path))
        {
            await output.WriteLineAsync($"{path} is there already and stays as it is.");
            return;
        }

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
            await file.WriteAsync(certificate.Export(X509ContentType.Pkcs12, args.Length == 2 ? args[1] : null));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartException($"{path} cannot be written: {e.Message}", e);
        }

        await output.WriteLineAsync($"{path} is written. Start every Director with DataProtection__CertificatePath={path}, and keep a copy apart from the database's backups: without it, the credentials in them are lost.");
    }
}
