using System.Text.Json;
using Governor.Contracts;
using Microsoft.Extensions.Logging;

namespace Governor.Agent.DaprFolder;

/// <summary>What the Agents of a runtime remember in its folder: the last generation handled, what they wrote, and how it
/// ended. Losing it is harmless: files with our mark are still ours, and the next message writes it anew.</summary>
internal sealed class FolderMark
{
    /// <summary>Generation of the message last handled here.</summary>
    public long Generation { get; set; }

    /// <summary>Component files that are ours, by component, with the configuration that each was last written for.</summary>
    public SortedDictionary<string, string> Files { get; set; } = new(StringComparer.Ordinal);

    /// <summary>Lower-case hex SHA-256 of those files as they were last written, by component.</summary>
    public SortedDictionary<string, string> Written { get; set; } = new(StringComparer.Ordinal);

    /// <summary>Configurations whose content was applied.</summary>
    public SortedDictionary<string, ConfigurationMark> Configurations { get; set; } = new(StringComparer.Ordinal);

    /// <summary>Secret stores that are ours, by the id of the set that they hold.</summary>
    public SortedDictionary<string, StoreMark> Stores { get; set; } = new(StringComparer.Ordinal);

    /// <summary>How the last message ended, by configuration.</summary>
    public SortedDictionary<string, OutcomeMark> Outcomes { get; set; } = new(StringComparer.Ordinal);
}

/// <summary>The content of a configuration that was last applied.</summary>
/// <param name="Digest">Its digest.</param>
/// <param name="Components">Its components in force, each with the lower-case hex SHA-256 of its file.</param>
/// <param name="Shadowed">Its components that another configuration shadows.</param>
internal sealed record ConfigurationMark(string Digest, SortedDictionary<string, string> Components, IReadOnlyList<string> Shadowed);

/// <summary>A secret store as it was written. Of the secrets themselves nothing is kept here, nor any plain hash of them.</summary>
/// <param name="Sha256">Lower-case hex SHA-256 of the store component's file.</param>
/// <param name="Credentials">The credentials in it, by name.</param>
internal sealed record StoreMark(string Sha256, SortedDictionary<string, CredentialMark> Credentials);

/// <summary>A credential version in a store.</summary>
/// <param name="VersionId">Id of the version.</param>
/// <param name="Keys">Keys of its entries.</param>
internal sealed record CredentialMark(string VersionId, IReadOnlyList<string> Keys);

/// <summary>How applying a configuration ended.</summary>
/// <param name="Outcome">The outcome.</param>
/// <param name="Digest">Digest that it speaks of; absent for a removal.</param>
/// <param name="Reason">Stable code of a failure or refusal.</param>
/// <param name="Message">The same for people.</param>
/// <param name="Component">The component whose name another hand holds, if that is the reason.</param>
internal sealed record OutcomeMark(
    ApplyOutcome Outcome, string? Digest, string? Reason = null, string? Message = null, string? Component = null);

/// <summary>Keeps the mark in the folder; in memory while the folder cannot be written.</summary>
internal sealed partial class FolderMarkStore(string folder, ILogger logger)
{
    internal const string FileName = ".governor.json";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NewLine = "\n",
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    private readonly string _path = Path.Combine(folder, FileName);
    private FolderMark? _unsaved;
    private bool _unreadable;

    /// <summary>The mark as it stands, whichever Agent wrote it; an empty one where there is none.</summary>
    internal FolderMark Load()
    {
        var saved = Read() ?? new FolderMark();
        return _unsaved is not null && _unsaved.Generation >= saved.Generation ? _unsaved : saved;
    }

    /// <summary>Saves the mark, or keeps it in memory and throws.</summary>
    internal void Save(FolderMark mark)
    {
        _unsaved = mark;
        AtomicFile.Write(_path, JsonSerializer.SerializeToUtf8Bytes(mark, Json));
        _unsaved = null;
    }

    private FolderMark? Read()
    {
        try
        {
            var mark = File.Exists(_path) ? JsonSerializer.Deserialize<FolderMark>(File.ReadAllBytes(_path), Json) : null;
            if (mark is not null && !IsSound(mark))
                throw new JsonException("something in it is null");
            _unreadable = false;
            return mark;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            if (!_unreadable)
                LogUnreadable(_path, e.Message);
            _unreadable = true;
            return null;
        }
    }

    /// <summary>Whether nothing is null inside of what it lists, which the serializer does not look at.</summary>
    private static bool IsSound(FolderMark mark) =>
        !mark.Files.ContainsValue(null!) && !mark.Written.ContainsValue(null!) && !mark.Outcomes.ContainsValue(null!)
        && mark.Configurations.Values.All(configuration => configuration?.Components.ContainsValue(null!) == false)
        && mark.Stores.Values.All(store => store?.Credentials.Values.All(credential => credential?.Keys.All(key => key is not null) == true) == true);

    [LoggerMessage(2101, LogLevel.Warning, "{Path} cannot be read and counts as lost; the next message writes it anew: {Reason}")]
    private partial void LogUnreadable(string path, string reason);
}
