using System.Globalization;
using System.Text.Json;

namespace Governor.Director.Configurations;

/// <summary>Reads the <c>policy</c> of a request. What the design has and this version does not build is refused, never
/// ignored: a rollout that skips an approval or a bake time would be worse than none.</summary>
internal static class RolloutPolicyReader
{
    private static readonly TimeSpan LongestDeadline = TimeSpan.FromDays(7);

    private static readonly TimeSpan LongestOverlap = TimeSpan.FromDays(30);

    private static readonly string[] Fields = ["strategy", "maxConcurrency", "maxFailures", "progressDeadline"];
    private static readonly string[] FieldsOfRotations = [.. Fields, "overlap"];

    private static readonly string[] FieldsToCome =
    [
        "approval", "bakeTime", "deferredTtl", "failureStrategy", "growth", "hooks", "joiners", "mandatory", "maxDeferred",
        "maxPerMinute", "minExecuted", "notifications", "retry", "startAt", "validators", "waves", "windows",
    ];

    private static readonly string[] StrategiesToCome = ["waves", "linear", "exponential"];

    /// <summary>Reads a policy, <see cref="RolloutPolicy.Default"/> for what is not given; after a complaint what it returns
    /// is of no use.</summary>
    /// <param name="node">The policy; null if none is given.</param>
    /// <param name="ofRotation">Whether it is a credential that is rolled out.</param>
    public static RolloutPolicy Read(RequestNode? node, bool ofRotation = false)
    {
        var fields = ofRotation ? FieldsOfRotations : Fields;
        if (node?.AsMembers() is not { } members) return RolloutPolicy.Default;

        foreach (var (name, member) in members)
        {
            if (FieldsToCome.Contains(name, StringComparer.Ordinal))
                NotImplemented(member, $"is not implemented yet; leave it out. A policy may have {string.Join(", ", fields)}.");
            else if (!fields.Contains(name, StringComparer.Ordinal))
                member.Errors.Malformed("unknown-field", member.Path, $"is not known; known here: {string.Join(", ", fields)}.");
        }

        var policy = new RequestObject(node, members);
        return new RolloutPolicy(
            ReadStrategy(policy["strategy"]),
            ReadCount(policy["maxConcurrency"], least: 1),
            ReadCount(policy["maxFailures"], least: 0) ?? RolloutPolicy.Default.MaxFailures,
            ReadDuration(policy["progressDeadline"], TimeSpan.FromSeconds(1), LongestDeadline, RolloutPolicy.Default.ProgressDeadline),
            ReadDuration(policy["overlap"], TimeSpan.Zero, LongestOverlap, RolloutPolicy.Default.Overlap));
    }

    private static string ReadStrategy(RequestNode? node)
    {
        if (node?.AsString() is { } strategy && strategy != RolloutPolicy.AllAtOnce)
        {
            if (StrategiesToCome.Contains(strategy, StringComparer.Ordinal))
                NotImplemented(node, $"\"{strategy}\" is not implemented yet; use \"{RolloutPolicy.AllAtOnce}\".");
            else
                node.Invalid($"must be \"{RolloutPolicy.AllAtOnce}\".");
        }

        return RolloutPolicy.AllAtOnce;
    }

    private static int? ReadCount(RequestNode? node, int least)
    {
        if (node?.Element.ValueKind is not JsonValueKind.String) return node?.AsInteger(least, int.MaxValue);

        if (IsPercentage(node.AsString())) NotImplemented(node, "is not implemented yet as a percentage; give a count.");
        else node.Invalid($"must be a whole number of {least} or more, not a string.");
        return null;
    }

    private static bool IsPercentage(string? text) =>
        text is [.. var number, '%'] && decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out _);

    private static TimeSpan ReadDuration(RequestNode? node, TimeSpan shortest, TimeSpan longest, TimeSpan absent)
    {
        if (node?.AsString() is not { } text) return absent;
        if (ParseDuration(text) is { } read && read >= shortest && read <= longest) return read;
        node.Invalid(shortest > TimeSpan.Zero
            ? $"must be a duration hh:mm:ss above 00:00:00 and at most {longest.TotalHours:0}:00:00 ({longest.TotalDays:0} days)."
            : $"must be a duration hh:mm:ss of at most {longest.TotalHours:0}:00:00 ({longest.TotalDays:0} days).");
        return absent;
    }

    /// <summary>Reads <c>hh:mm:ss</c> with any number of hours, and <c>d.hh:mm:ss</c>, in which the Director writes it.</summary>
    private static TimeSpan? ParseDuration(string text)
    {
        if (TimeSpan.TryParseExact(text, @"d\.hh\:mm\:ss", CultureInfo.InvariantCulture, out var withDays)) return withDays;

        if (text.Split(':') is not [{ Length: 2 or 3 } hours, { Length: 2 } minutes, { Length: 2 } seconds]
            || !int.TryParse(hours, NumberStyles.None, CultureInfo.InvariantCulture, out var h)
            || !int.TryParse(minutes, NumberStyles.None, CultureInfo.InvariantCulture, out var m)
            || !int.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var s)
            || m > 59
            || s > 59)
        {
            return null;
        }

        return new TimeSpan(h, m, s);
    }

    private static void NotImplemented(RequestNode node, string message) =>
        node.Errors.Unacceptable("not-implemented", node.Path, message);
}
