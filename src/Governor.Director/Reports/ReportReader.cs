using Governor.Contracts;
using Governor.Director.Configurations;
using Governor.Director.Persistence;

namespace Governor.Director.Reports;

/// <summary>Takes of each report what the tables can hold. Reports come from outside, and one that is broken must not take
/// the others of its batch with it.</summary>
internal static class ReportReader
{
    private const int DigestLength = 64;
    private const int ReasonLength = 100;
    private const int MessageLength = 1000;

    /// <summary>The report in a form that can be recorded, or null if it names no runtime or states nothing.</summary>
    public static RuntimeReported? Read(RuntimeReported report)
    {
        if (!DnsLabel.IsValid(report.RuntimeId) || report.Configurations is null
            || report.Epoch < 0 || report.Number < 0 || report.Generation is < 0 or > MaxGeneration)
        {
            return null;
        }

        return report with
        {
            Configurations =
            [
                .. report.Configurations
                    .Where(c => c is not null && DnsLabel.IsValid(c.Name) && IsDigest(c.Digest) && IsDigest(c.OutcomeDigest))
                    .DistinctBy(c => c.Name, StringComparer.Ordinal)
                    .Select(c => c with { Reason = Text(c.Reason, ReasonLength), Message = Text(c.Message, MessageLength) }),
            ],
            Credentials =
            [
                .. (report.Credentials ?? [])
                    .Where(c => c is not null && DnsLabel.IsValid(c.Name) && c.VersionId is not null && IsDigest(c.VersionId)).Distinct(),
            ],
            Kid = report.Kid is { Length: > 0 and <= 128 } kid && kid.All(c => c is > ' ' and <= '~') ? kid : null,
        };
    }

    /// <summary>Generations stay below 2^53, so that every JSON reader holds them exactly.</summary>
    private const long MaxGeneration = 1L << 53;

    private static bool IsDigest(string? digest) =>
        digest is null || (digest.Length is > 0 and <= DigestLength && digest.All(char.IsAsciiLetterOrDigit));

    private static string? Text(string? text, int length) => text is null ? null : StoredText.Of(text, length);
}
