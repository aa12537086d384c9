using System.Security.Cryptography;
using Governor.Contracts;

namespace Governor.Director.Configurations;

/// <summary>The digest of a configuration's content. Equal digests mean equal content.</summary>
internal static class ContentDigest
{
    /// <summary>Lower-case hex SHA-256 over the canonical JSON (RFC 8785) of <c>{"components":[…]}</c>.</summary>
    /// <param name="components">The components in any order, shadowed ones included; whether they are is not covered.</param>
    public static string Of(IReadOnlyList<DesiredComponent> components) =>
        Convert.ToHexStringLower(SHA256.HashData(Covered(components)));

    /// <summary>The bytes that the digest is over, UTF-8.</summary>
    internal static byte[] Covered(IReadOnlyList<DesiredComponent> components) =>
        CanonicalJson.Serialize(ComponentDocument.ToElement(new { components = ComponentDocument.Of(components) }));
}
