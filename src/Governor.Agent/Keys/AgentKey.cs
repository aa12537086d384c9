using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Governor.Contracts;

namespace Governor.Agent.Keys;

/// <summary>The Agent's P-256 key pair, to which the Director seals the secrets of its runtime. The private half never
/// leaves the state folder.</summary>
internal static class AgentKey
{
    internal const string FileName = "agent-key.pem";

    private const UnixFileMode OwnerFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerFolder = OwnerFile | UnixFileMode.UserExecute;

    /// <summary>Reads the key, or makes it at the first start, and returns its public half.</summary>
    /// <exception cref="AgentSettingsException">The folder cannot be written, or the file there is no P-256 private key.</exception>
    internal static AgentPublicKey LoadOrCreate(string statePath)
    {
        var path = Path.Combine(Path.GetFullPath(statePath), FileName);
        try
        {
            if (!File.Exists(path))
                Create(path);
            return PublicHalf(File.ReadAllText(path));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            // A new key made silently would need an operator's trust anyway; an old one may still be in a backup.
            throw new AgentSettingsException([$"Agent:StatePath: {path} holds no P-256 private key; restore it from a backup, or delete it and have an operator trust the new one."]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentSettingsException([$"Agent:StatePath: {path} cannot be read or written ({e.Message}); give the Agent a folder of its own."]);
        }
    }

    private static void Create(string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, OwnerFolder);

        using var pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var temporary = Path.Combine(folder, $".{FileName}.{Guid.NewGuid():n}.tmp");
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = OwnerFile;
            using (var file = new FileStream(temporary, options))
            {
                file.Write(Encoding.ASCII.GetBytes(pair.ExportPkcs8PrivateKeyPem()));
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            // Another Agent of this runtime shares the folder and was first: its key is the one.
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static AgentPublicKey PublicHalf(string pem)
    {
        using var pair = ECDsa.Create();
        pair.ImportFromPem(pem);
        var key = pair.ExportParameters(includePrivateParameters: true);
        if (key.D is null || key.Curve.Oid.Value != ECCurve.NamedCurves.nistP256.Oid.Value)
            throw new CryptographicException("Not a P-256 private key.");

        var x = Base64Url.EncodeToString(key.Q.X);
        var y = Base64Url.EncodeToString(key.Q.Y);
        return new AgentPublicKey(Thumbprint(x, y), "EC", "P-256", x, y);
    }

    /// <summary>RFC 7638: SHA-256 over the required members in the order of their names, without white space.</summary>
    internal static string Thumbprint(string x, string y) =>
        Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes($$"""{"crv":"P-256","kty":"EC","x":"{{x}}","y":"{{y}}"}""")));
}
