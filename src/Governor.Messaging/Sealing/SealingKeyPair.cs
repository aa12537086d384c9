using System.Security.Cryptography;
using System.Text;
using Governor.Contracts;
using Jose;
using Base64Url = System.Buffers.Text.Base64Url;

namespace Governor.Messaging.Sealing;

/// <summary>A P-256 key pair: others seal to its public half, its owner opens with the private one.</summary>
public sealed class SealingKeyPair
{
    private readonly ECParameters _key;

    private SealingKeyPair(ECParameters key)
    {
        _key = key;
        var (x, y) = (Base64Url.EncodeToString(key.Q.X), Base64Url.EncodeToString(key.Q.Y));
        PublicKey = new AgentPublicKey(Thumbprint(x, y), "EC", "P-256", x, y);
        Private = new Jwk(PublicKey.Crv, x, y, Base64Url.EncodeToString(key.D));
    }

    /// <summary>The public half.</summary>
    public AgentPublicKey PublicKey { get; }

    internal Jwk Private { get; }

    /// <summary>Makes a new pair.</summary>
    public static SealingKeyPair Create()
    {
        using var pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new SealingKeyPair(pair.ExportParameters(includePrivateParameters: true));
    }

    /// <summary>Reads a pair.</summary>
    /// <param name="pem">The private key as PEM (PKCS#8, or SEC 1).</param>
    /// <exception cref="CryptographicException">It is no private key on P-256.</exception>
    /// <exception cref="ArgumentException">It is no PEM of a key.</exception>
    public static SealingKeyPair FromPem(string pem)
    {
        using var pair = ECDsa.Create();
        pair.ImportFromPem(pem);
        var key = pair.ExportParameters(includePrivateParameters: true);
        return key.D is not null && key.Curve.Oid.Value == ECCurve.NamedCurves.nistP256.Oid.Value
            ? new SealingKeyPair(key)
            : throw new CryptographicException("Not a P-256 private key.");
    }

    /// <summary>The private key as PEM (PKCS#8), in clear: it is for its owner's own store.</summary>
    public string ToPem()
    {
        using var pair = ECDsa.Create(_key);
        return pair.ExportPkcs8PrivateKeyPem();
    }

    /// <summary>Whether somebody's public key is one: a point on P-256, under the id that is its own.</summary>
    /// <param name="key">The key, as it came.</param>
    public static bool IsValid(AgentPublicKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.Kty != "EC" || key.Crv != "P-256" || key.Kid != Thumbprint(key.X, key.Y))
            return false;
        try
        {
            // Importing checks that the point is on the curve.
            using var pair = ECDiffieHellman.Create(new ECParameters
            {
                Curve = ECCurve.NamedCurves.nistP256,
                Q = new ECPoint { X = Base64Url.DecodeFromChars(key.X), Y = Base64Url.DecodeFromChars(key.Y) },
            });
            return true;
        }
        catch (Exception e) when (e is CryptographicException or FormatException)
        {
            return false;
        }
    }

    /// <summary>RFC 7638: SHA-256 over the required members in the order of their names, without white space.</summary>
    private static string Thumbprint(string x, string y) =>
        Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes($$"""{"crv":"P-256","kty":"EC","x":"{{x}}","y":"{{y}}"}""")));
}
