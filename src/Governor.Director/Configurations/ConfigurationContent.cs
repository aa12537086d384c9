using System.Text.Json;
using Governor.Contracts;

namespace Governor.Director.Configurations;

/// <summary>The content of one revision. Compare with <see cref="SameAs"/>: as a record it would compare its lists by
/// reference.</summary>
/// <param name="Components">The components, ordered by ordinal name, scopes sorted, none of them shadowed.</param>
/// <param name="Target">The runtimes it is for.</param>
/// <param name="Priority">The higher one wins where two configurations give a runtime a component of the same name.</param>
/// <param name="AllowPlaintext">Whether the author accepts values under keys that plainly name a secret.</param>
internal sealed record ConfigurationContent(
    IReadOnlyList<DesiredComponent> Components,
    TargetSelector Target,
    int Priority,
    bool AllowPlaintext)
{
    /// <summary>The content of a tombstone: nothing, for nobody.</summary>
    public static ConfigurationContent Empty { get; } = new([], new TargetSelector(RuntimeIds: []), 0, AllowPlaintext: false);

    /// <summary>Content in normal form, from components and a selector in whatever order their author wrote them.</summary>
    public static ConfigurationContent Normalized(
        IEnumerable<DesiredComponent> components, TargetSelector target, int priority, bool allowPlaintext) => new(
        [
            .. components.OrderBy(component => component.Name, StringComparer.Ordinal).Select(component => component with
            {
                Scopes = [.. component.Scopes.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
                Shadowed = false,
            }),
        ],
        target.Normalized(),
        priority,
        allowPlaintext);

    /// <summary>The content as canonical JSON (RFC 8785), as it is stored and measured.</summary>
    public string ToJson() => CanonicalJson.SerializeToString(ComponentDocument.ToElement(
        new ContentDocument(ComponentDocument.Of(Components), Target, Priority, AllowPlaintext)));

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="JsonException">The text is no such content.</exception>
    public static ConfigurationContent FromJson(string json)
    {
        var document = JsonSerializer.Deserialize<ContentDocument>(json, ComponentDocument.Json)
            ?? throw new JsonException("The content of a revision is null.");
        return new ConfigurationContent(
            [.. document.Components.Select(component => component.ToComponent())],
            document.Target,
            document.Priority,
            document.AllowPlaintext);
    }

    /// <summary>Whether both would do the same to the fleet: the author's permission for plaintext does not count.</summary>
    public bool SameAs(ConfigurationContent other) =>
        (this with { AllowPlaintext = false }).ToJson() == (other with { AllowPlaintext = false }).ToJson();

    private sealed record ContentDocument(
        IReadOnlyList<ComponentDocument> Components, TargetSelector Target, int Priority, bool AllowPlaintext);
}
