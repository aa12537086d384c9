using System.Text.Json;
using System.Text.Json.Serialization;
using Governor.Contracts;

namespace Governor.Director.Configurations;

/// <summary>A component as digests cover it and as the database keeps it. The shape is spelled out here, apart from
/// <see cref="DesiredComponent"/>: when that contract grows, digests must stay what they are.</summary>
internal sealed record ComponentDocument(
    string Name,
    string Type,
    string Version,
    IReadOnlyList<SettingDocument> Metadata,
    IReadOnlyList<string> Scopes)
{
    /// <summary>How these documents are read and written: camelCase, without what is absent.</summary>
    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>The documents of some components: sorted by ordinal name, each with its scopes sorted.</summary>
    public static IReadOnlyList<ComponentDocument> Of(IEnumerable<DesiredComponent> components) =>
        [.. components.OrderBy(component => component.Name, StringComparer.Ordinal).Select(Of)];

    /// <summary>The document of one component.</summary>
    public static ComponentDocument Of(DesiredComponent component) => new(
        component.Name,
        component.Type,
        component.Version,
        [.. component.Metadata.Select(setting => new SettingDocument(
            setting.Name,
            setting.Value,
            setting.SecretKeyRef is { } reference ? new KeyRefDocument(reference.Name, reference.Key) : null))],
        [.. component.Scopes.Order(StringComparer.Ordinal)]);

    /// <summary>The component that this document describes, not shadowed.</summary>
    public DesiredComponent ToComponent() => new(
        Name,
        Type,
        Version,
        [.. Metadata.Select(setting => new ComponentSetting(
            setting.Name,
            setting.Value,
            setting.SecretKeyRef is { } reference ? new SecretKeyRef(reference.Name, reference.Key) : null))],
        Scopes);

    /// <summary>A document, or a record of documents, as canonical JSON.</summary>
    public static JsonElement ToElement<T>(T document) => JsonSerializer.SerializeToElement(document, Json);
}

/// <summary>A setting of a <see cref="ComponentDocument"/>: a value or a reference, never both.</summary>
internal sealed record SettingDocument(string Name, JsonElement? Value, KeyRefDocument? SecretKeyRef);

/// <summary>A reference of a <see cref="SettingDocument"/> to an entry of a credential.</summary>
internal sealed record KeyRefDocument(string Name, string Key);
