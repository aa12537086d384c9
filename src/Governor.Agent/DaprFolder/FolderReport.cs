using System.Text;
using Governor.Contracts;

namespace Governor.Agent.DaprFolder;

/// <summary>What a folder shows of each configuration.</summary>
internal static class FolderReport
{
    internal static IReadOnlyList<ReportedConfiguration> Configurations(FolderMark mark, FolderSnapshot found)
    {
        var there = found.Own.ToLookup(file => file.Value.Configuration, StringComparer.Ordinal);
        var names = mark.Configurations.Keys.Concat(mark.Outcomes.Keys).Concat(there.Select(files => files.Key));
        return [.. names.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)
            .Select(name => Reported(name, mark, found, there[name].ToDictionary(file => file.Key, file => file.Value.Sha256)))
            .OfType<ReportedConfiguration>()];
    }

    private static ReportedConfiguration? Reported(
        string name, FolderMark mark, FolderSnapshot found, Dictionary<string, string> there)
    {
        var applied = mark.Configurations.GetValueOrDefault(name);
        var outcome = mark.Outcomes.GetValueOrDefault(name) is { } last ? Today(last, found) : null;
        var whole = applied is not null
            && applied.Components.All(file => there.GetValueOrDefault(file.Key) == file.Value)
            && there.Keys.All(component => applied.Components.ContainsKey(component) || applied.Shadowed.Contains(component, StringComparer.Ordinal));
        var digest = whole ? applied!.Digest : there.Count > 0 ? Fingerprint(there) : null;
        if (applied is null && digest is null && outcome is null or { Outcome: ApplyOutcome.Applied })
            return null;
        return new ReportedConfiguration(name, digest, outcome?.Outcome, outcome?.Digest, outcome?.Reason, outcome?.Message);
    }

    /// <summary>A name that the other hand has let go of is no refusal any more: told as a failure, the content comes again.</summary>
    private static OutcomeMark Today(OutcomeMark outcome, FolderSnapshot found) =>
        outcome is { Reason: ConfigurationRules.Foreign, Component: { } component } && found.ForeignHolder(component) is null
            ? outcome with { Outcome = ApplyOutcome.Failed, Message = $"Component '{component}' belongs to another hand no more; the content can be applied now." }
            : outcome;

    private static string Fingerprint(Dictionary<string, string> there) => FolderReader.Hash(Encoding.UTF8.GetBytes(
        string.Join('\n', there.OrderBy(file => file.Key, StringComparer.Ordinal).Select(file => $"{file.Key} {file.Value}"))));
}
