using System.Text.Json;

namespace Governor.Director.Configurations;

/// <summary>Reads the <c>target</c> of a request.</summary>
internal static class TargetSelectorReader
{
    /// <summary>Reads a selector; after a complaint what it returns is of no use.</summary>
    public static TargetSelector Read(RequestNode? node)
    {
        if (node?.AsObject("kinds", "matchLabels", "matchExpressions", "runtimeIds") is not { } target) return new TargetSelector();

        return new TargetSelector(
            ReadList(target["kinds"], RuntimeKinds.IsKnown, "invalid-field", $"must be one of {string.Join(", ", RuntimeKinds.All)}."),
            ReadLabels(target["matchLabels"]),
            ReadExpressions(target["matchExpressions"]),
            ReadList(target["runtimeIds"], DnsLabel.IsValid, "invalid-name", $"must be a runtime's id: {DnsLabel.Rule}."));
    }

    private static List<string>? ReadList(RequestNode? list, Func<string, bool> isValid, string code, string rule)
    {
        if (list?.AsList() is not { } items) return null;

        var read = new List<string>();
        foreach (var item in items)
        {
            if (item.AsString() is not { } text) continue;
            if (isValid(text)) read.Add(text);
            else item.Errors.Malformed(code, item.Path, rule);
        }

        return read;
    }

    private static Dictionary<string, string>? ReadLabels(RequestNode? node)
    {
        if (node?.AsMembers() is not { } members) return null;

        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, member) in members)
        {
            if (!LabelSyntax.IsKey(key)) member.Invalid($"must be a label's key: {LabelSyntax.KeyRule}.");
            if (ReadValue(member) is { } value) labels[key] = value;
        }

        return labels;
    }

    private static string? ReadValue(RequestNode node)
    {
        if (node.AsString() is not { } value) return null;
        if (LabelSyntax.IsValue(value)) return value;
        node.Invalid($"must be a label's value: {LabelSyntax.ValueRule}.");
        return null;
    }

    private static List<LabelExpression>? ReadExpressions(RequestNode? list)
    {
        if (list?.AsList() is not { } items) return null;

        var expressions = new List<LabelExpression>();
        foreach (var item in items)
        {
            if (item.AsObject("key", "operator", "values") is not { } expression) continue;

            var key = expression.Required("key", "name the label")?.AsString();
            if (key is not null && !LabelSyntax.IsKey(key))
                expression["key"]!.Invalid($"must be a label's key: {LabelSyntax.KeyRule}.");
            var values = expression["values"]?.AsList()?.Select(ReadValue).OfType<string>().ToList() ?? [];
            if (ReadOperator(expression) is { } judged && key is not null)
                expressions.Add(new LabelExpression(key, judged, values));
        }

        return expressions;
    }

    private static LabelOperator? ReadOperator(RequestObject expression)
    {
        if (expression.Required("operator", $"give one of {Operators}")?.AsString() is not { } text) return null;

        // Enum.TryParse would take numbers and other casings too.
        if (!Enum.GetNames<LabelOperator>().Contains(text, StringComparer.Ordinal))
        {
            expression["operator"]!.Invalid($"must be one of {Operators}.");
            return null;
        }

        var read = Enum.Parse<LabelOperator>(text);
        var wantsValues = read is LabelOperator.In or LabelOperator.NotIn;
        var count = expression["values"]?.Element is { ValueKind: JsonValueKind.Array } list ? list.GetArrayLength() : 0;
        if (wantsValues && count == 0 && expression["values"] is null)
            expression.Required("values", $"{text} compares with at least one value");
        else if (wantsValues && count == 0)
            expression["values"]!.Invalid($"must hold at least one value for {text}.");
        else if (!wantsValues && count > 0)
            expression["values"]!.Invalid($"must be left out: {text} takes no values.");
        return read;
    }

    private static string Operators => string.Join(", ", Enum.GetNames<LabelOperator>());
}
