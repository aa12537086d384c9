using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Governor.Agent.DaprFolder.Secrets;

/// <summary>Recognizes the secrets that an Agent of this runtime wrote, without keeping them: keyed hashes, in the state
/// folder, because a plain hash beside the content would let anyone guess. Each with the versions that it is of: when the mark is
/// lost, and the store not written yet, they say what a secret file holds.</summary>
internal sealed partial class SecretMacs(string statePath, byte[] key, ILogger logger)
{
    internal const string FileName = "secret-macs.json";

    private readonly string _path = Path.Combine(Path.GetFullPath(statePath), FileName);
    private bool _unreadable;

    /// <summary>What is recorded, by set: the hash, and in the lines that follow <see cref="SecretSet.Versions"/>. Nothing if it is lost:
    /// then everything counts as changed.</summary>
    internal SortedDictionary<string, string> Load()
    {
        try
        {
            var macs = File.Exists(_path) ? JsonSerializer.Deserialize<SortedDictionary<string, string>>(File.ReadAllBytes(_path)) : null;
            _unreadable = false;
            return new SortedDictionary<string, string>(macs ?? [], StringComparer.Ordinal);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            if (!_unreadable)
                LogUnreadable(_path, e.Message);
            _unreadable = true;
            return new SortedDictionary<string, string>(StringComparer.Ordinal);
        }
    }

    /// <summary>Remembers what a set's file holds.</summary>
    internal void Record(SecretSet set, byte[] content)
    {
        var macs = Load();
        macs[set.Id] = $"{Compute(content)}\n{set.Versions}";
        Save(macs);
    }

    /// <summary>Forgets all sets but these.</summary>
    internal void Keep(IReadOnlySet<string> ids)
    {
        var macs = Load();
        if (macs.Keys.All(ids.Contains))
            return;
        foreach (var gone in macs.Keys.Where(id => !ids.Contains(id)).ToList())
            macs.Remove(gone);
        Save(macs);
    }

    /// <summary>Whether a set's file holds what was written.</summary>
    internal bool Matches(SortedDictionary<string, string> macs, string id, byte[] content) =>
        macs.TryGetValue(id, out var mac) && mac?.Split('\n')[0] == Compute(content);

    private string Compute(byte[] content) => Convert.ToHexStringLower(HMACSHA256.HashData(key, content));

    private void Save(SortedDictionary<string, string> macs) =>
        AtomicFile.Write(_path, JsonSerializer.SerializeToUtf8Bytes(macs), secret: true);

    [LoggerMessage(2105, LogLevel.Warning, "{Path} cannot be read and counts as lost; secrets in place count as changed until the next message: {Reason}")]
    private partial void LogUnreadable(string path, string reason);
}
