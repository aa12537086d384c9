using System.Security.Cryptography;
using System.Text;
using Governor.Messaging.Sealing;

namespace Governor.Agent.Keys;

/// <summary>The Agent's P-256 key pair, to which the Director seals the secrets of its runtime. The private half never
/// leaves the state folder and this process.</summary>
internal static class AgentKey
{
    internal const string FileName = "agent-key.pem";

    /// <summary>Reads the key, or makes it at the first start.</summary>
    /// <exception cref="AgentSettingsException">The folder cannot be written, or the file there is no P-256 private key.</exception>
    internal static SealingKeyPair LoadOrCreate(string statePath)
    {
        try
        {
            return SealingKeyPair.FromPem(Encoding.UTF8.GetString(
                StateFile.ReadOrCreate(statePath, FileName, () => Encoding.ASCII.GetBytes(SealingKeyPair.Create().ToPem()))));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            // A new key made silently would need an operator's trust anyway; an old one may still be in a backup.
            throw new AgentSettingsException([$"Agent:StatePath: {StateFile.PathOf(statePath, FileName)} holds no P-256 private key; restore it from a backup, or delete it and have an operator trust the new one."]);
        }
    }
}
