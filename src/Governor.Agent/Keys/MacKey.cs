using System.Security.Cryptography;

namespace Governor.Agent.Keys;

/// <summary>The key with which the Agents of a runtime recognize the secrets that they wrote. It proves nothing to anybody
/// else, and losing it is harmless: what is there counts as changed until the next message writes it anew.</summary>
internal static class MacKey
{
    internal const string FileName = "mac-key.bin";

    private const int Bytes = 32;

    /// <summary>Reads the key, or makes it at the first start.</summary>
    /// <exception cref="AgentSettingsException">The folder cannot be written, or the file there is no such key.</exception>
    internal static byte[] LoadOrCreate(string statePath)
    {
        var key = StateFile.ReadOrCreate(statePath, FileName, () => RandomNumberGenerator.GetBytes(Bytes));
        return key.Length == Bytes
            ? key
            : throw new AgentSettingsException([$"Agent:StatePath: {StateFile.PathOf(statePath, FileName)} holds no key of {Bytes} bytes; restore it from a backup, or delete it: the secrets in place then count as changed until the next message."]);
    }
}
