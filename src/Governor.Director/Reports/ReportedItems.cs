using Governor.Contracts;
using Governor.Director.Assignments;

namespace Governor.Director.Reports;

/// <summary>What a report says, item by item.</summary>
internal static class ReportedItems
{
    /// <summary>What a report says of one configuration or credential, or null if it lists it not at all.</summary>
    /// <param name="report">The report.</param>
    /// <param name="item">The configuration or credential.</param>
    /// <param name="digest">What is looked for. Of a credential that is listed in several versions the report shows one of the
    /// others: it does not hold what is looked for alone.</param>
    public static ReportItem? Of(RuntimeReported report, string item, string? digest)
    {
        if (Items.Credential(item) is not { } credential)
            return report.Configurations.FirstOrDefault(c => c.Name == item) is { } found ? Of(report, found) : null;

        var held = report.Credentials.Where(c => c.Name == credential).Select(c => c.VersionId).Order(StringComparer.Ordinal).ToList();
        return held.Count == 0 ? null
            : new ReportItem { RuntimeId = report.RuntimeId, Item = item, Digest = held.Find(v => v != digest) ?? held[0] };
    }

    /// <summary>Everything that a report lists.</summary>
    /// <param name="report">The report.</param>
    /// <param name="assignments">What the runtime is assigned, by item.</param>
    public static IEnumerable<ReportItem> All(RuntimeReported report, IReadOnlyDictionary<string, Assignment> assignments) =>
        report.Configurations.Select(c => Of(report, c)).Concat(report.Credentials.Select(c => Items.OfCredential(c.Name))
            .Distinct(StringComparer.Ordinal).Select(item => Of(report, item, assignments.GetValueOrDefault(item)?.Digest)!));

    private static ReportItem Of(RuntimeReported report, ReportedConfiguration item) => new()
    {
        RuntimeId = report.RuntimeId, Item = item.Name, Digest = item.Digest,
        Outcome = item.Outcome?.ToString().ToLowerInvariant(), OutcomeDigest = item.OutcomeDigest,
        Reason = item.Reason, Message = item.Message,
    };
}
