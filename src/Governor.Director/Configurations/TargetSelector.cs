using System.Text.Json.Serialization;

namespace Governor.Director.Configurations;

/// <summary>Which runtimes of the tenant a configuration is for. All parts that are given must hold; one without parts is
/// every runtime. A part that is given but empty is not the same as one that is not given.</summary>
/// <param name="Kinds">Kinds of which the runtime has one; empty matches none.</param>
/// <param name="MatchLabels">Labels that the runtime has, all of them, with exactly these values.</param>
/// <param name="MatchExpressions">Conditions on labels that all hold.</param>
/// <param name="RuntimeIds">Ids of which the runtime has one; empty matches none.</param>
internal sealed record TargetSelector(
    IReadOnlyList<string>? Kinds = null,
    IReadOnlyDictionary<string, string>? MatchLabels = null,
    IReadOnlyList<LabelExpression>? MatchExpressions = null,
    IReadOnlyList<string>? RuntimeIds = null)
{
    /// <summary>Whether the selector picks this runtime.</summary>
    public bool Matches(string runtimeId, string kind, IReadOnlyDictionary<string, string> labels) =>
        (Kinds is null || Kinds.Contains(kind, StringComparer.Ordinal))
        && (RuntimeIds is null || RuntimeIds.Contains(runtimeId, StringComparer.Ordinal))
        && (MatchLabels is null || MatchLabels.All(wanted => labels.TryGetValue(wanted.Key, out var value) && value == wanted.Value))
        && (MatchExpressions is null || MatchExpressions.All(expression => expression.Holds(labels)));

    /// <summary>The same selector with every set sorted and free of repeats, so that equal selectors are written alike.</summary>
    public TargetSelector Normalized() => new(
        Kinds is null ? null : AsSet(Kinds),
        MatchLabels,
        MatchExpressions?.Select(e => e with { Values = AsSet(e.Values) }).ToList(),
        RuntimeIds is null ? null : AsSet(RuntimeIds));

    private static List<string> AsSet(IEnumerable<string> values) =>
        [.. values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
}

/// <summary>A condition on one label, with the meaning that Kubernetes gives it.</summary>
/// <param name="Key">Key of the label.</param>
/// <param name="Operator">How the label is judged.</param>
/// <param name="Values">Values to compare with; empty for <see cref="LabelOperator.Exists"/> and
/// <see cref="LabelOperator.DoesNotExist"/>.</param>
internal sealed record LabelExpression(string Key, LabelOperator Operator, IReadOnlyList<string> Values)
{
    /// <summary>Whether the condition holds for a runtime with these labels.</summary>
    public bool Holds(IReadOnlyDictionary<string, string> labels)
    {
        var value = labels.GetValueOrDefault(Key);
        return Operator switch
        {
            LabelOperator.In => value is not null && Values.Contains(value, StringComparer.Ordinal),
            LabelOperator.NotIn => value is null || !Values.Contains(value, StringComparer.Ordinal),
            LabelOperator.Exists => value is not null,
            LabelOperator.DoesNotExist => value is null,
            _ => throw new InvalidOperationException($"There is no label operator {Operator}."),
        };
    }
}

/// <summary>How a <see cref="LabelExpression"/> judges a label. Written by name on the wire and in the database.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<LabelOperator>))]
internal enum LabelOperator
{
    /// <summary>The label is there, with one of the values.</summary>
    In,

    /// <summary>The label is missing, or has none of the values.</summary>
    NotIn,

    /// <summary>The label is there, whatever its value.</summary>
    Exists,

    /// <summary>The label is missing.</summary>
    DoesNotExist,
}
