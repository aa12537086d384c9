using System.Text.Json;
using System.Text.RegularExpressions;

namespace Governor.Director.Configurations;

/// <summary>What a setting's <c>value</c> must be to reach every Agent unchanged. It may be any JSON but null.</summary>
internal static partial class SettingValueRules
{
    /// <summary>Levels of nesting that a value may have: the message that carries it to an Agent adds ten of its own, and
    /// readers of JSON stop at 64.</summary>
    public const int MaxDepth = 32;

    private const long MaxExactInteger = (1L << 53) - 1;

    /// <summary>Complains about everything in the value that cannot be carried, or not yet.</summary>
    public static void Check(RequestNode value) => Check(value, depth: 0);

    private static void Check(RequestNode node, int depth)
    {
        if (depth > MaxDepth)
        {
            node.Invalid($"must not be nested more than {MaxDepth} levels deep.");
            return;
        }

        switch (node.Element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in node.AsMembers()?.Values ?? []) Check(member, depth + 1);
                break;
            case JsonValueKind.Array:
                foreach (var item in node.AsList() ?? []) Check(item, depth + 1);
                break;
            case JsonValueKind.String when node.AsString() is { } text && Placeholder().IsMatch(text):
                node.Errors.Unacceptable("not-implemented", node.Path,
                    "holds {{runtime.…}}, which is not filled in yet; use one configuration per distinct value, selected by label.");
                break;
            case JsonValueKind.Number when !IsCarriedExactly(node.Element):
                node.Invalid($"must be a number that a double holds, whole numbers within ±{MaxExactInteger}; write it as a string.");
                break;
            case JsonValueKind.Null when depth == 0:
                node.Invalid("must not be null; leave the setting out if it has no value.");
                break;
            default:
                break;
        }
    }

    /// <summary>Canonical JSON reads numbers as doubles: a longer integer would silently become another one.</summary>
    private static bool IsCarriedExactly(JsonElement number)
    {
        if (!number.TryGetDouble(out var value) || !double.IsFinite(value)) return false;
        return !number.GetRawText().All(c => c == '-' || char.IsAsciiDigit(c)) || Math.Abs(value) <= MaxExactInteger;
    }

    [GeneratedRegex(@"\{\{\s*runtime\.", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Placeholder();
}
