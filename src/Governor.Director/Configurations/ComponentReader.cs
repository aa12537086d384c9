using System.Buffers;
using Governor.Contracts;
using Governor.Director.Credentials;

namespace Governor.Director.Configurations;

/// <summary>Reads the <c>components</c> of a request.</summary>
internal static class ComponentReader
{
    /// <summary>A component becomes the file <c>&lt;name&gt;.yaml</c>: with its ending, and that of a temporary file beside
    /// it, the name must stay below the 255 bytes that file systems allow.</summary>
    public const int MaxNameLength = 200;

    private static readonly SearchValues<char> TypeCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/");

    /// <summary>Reads the components in the order in which they are written.</summary>
    /// <param name="list">The list.</param>
    /// <param name="allowPlaintext">Whether values may look like secrets.</param>
    /// <param name="references">Takes the references to credentials; whether they exist is not looked at here.</param>
    public static IReadOnlyList<DesiredComponent> Read(
        RequestNode? list, bool allowPlaintext, ICollection<CredentialReference> references)
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        var components = new List<DesiredComponent>();
        foreach (var node in list?.AsList() ?? [])
        {
            if (node.AsObject("name", "type", "version", "metadata", "scopes") is not { } component) continue;

            var name = ReadName(component, names);
            var type = ReadWord(component.Required("type", "give the Dapr component type, for example \"state.redis\""));
            var version = component["version"] is { } given ? ReadWord(given) : "v1";
            var metadata = ReadMetadata(component["metadata"], allowPlaintext, references);
            var scopes = (component["scopes"]?.AsList() ?? []).Select(scope => scope.AsText()).OfType<string>();
            if (name is not null && type is not null && version is not null)
                components.Add(new DesiredComponent(name, type, version, metadata, [.. scopes]));
        }

        return components;
    }

    private static string? ReadName(RequestObject component, Dictionary<string, string> names)
    {
        if (component.Required("name", "give the component a name")?.AsString() is not { } name) return null;

        var node = component["name"]!;
        if (name.Length > MaxNameLength || !DnsLabel.IsSubdomain(name))
        {
            node.Errors.Malformed("invalid-name", node.Path,
                $"must be 1 to {MaxNameLength} of a-z, 0-9, '-' and '.', with a letter or digit at either end of each part.");
            return null;
        }

        if (names.TryAdd(name, node.Path)) return name;
        node.Errors.Malformed("duplicate-component", node.Path,
            $"must be unique within the configuration: \"{name}\" is also at {names[name]}.");
        return null;
    }

    private static string? ReadWord(RequestNode? node)
    {
        if (node?.AsText() is not { } text) return null;
        if (text.Length <= 253 && !text.AsSpan().ContainsAnyExcept(TypeCharacters)) return text;
        node.Invalid("must be 1 to 253 letters, digits, '.', '_', '-' and '/'.");
        return null;
    }

    private static List<ComponentSetting> ReadMetadata(
        RequestNode? list, bool allowPlaintext, ICollection<CredentialReference> references)
    {
        var settings = new List<ComponentSetting>();
        foreach (var node in list?.AsList() ?? [])
        {
            if (node.AsObject("name", "value", "secretKeyRef") is not { } setting) continue;

            var name = setting.Required("name", "give the setting's name")?.AsText();
            var (value, reference) = (setting["value"], setting["secretKeyRef"]);
            if (value is null == reference is null)
            {
                var found = value is null ? "neither is given" : "both are given";
                node.Errors.Malformed(value is null ? "missing-field" : "invalid-field", node.Path,
                    $"must have either value or secretKeyRef; {found}.");
                continue;
            }

            if (value is not null)
            {
                SettingValueRules.Check(value);
                if (name is not null && !allowPlaintext) RefusePlaintextSecret(name, value);
                settings.Add(new ComponentSetting(name ?? "", value.Element.Clone()));
            }
            else if (ReadReference(reference!, references) is { } read)
            {
                settings.Add(new ComponentSetting(name ?? "", Value: null, read));
            }
        }

        return settings;
    }

    private static void RefusePlaintextSecret(string name, RequestNode value)
    {
        if (!PlaintextSecrets.IsIn(name, value.Element)) return;
        value.Errors.Unacceptable("plaintext-secret", value.Path,
            "looks like a secret in clear: rotate it into a credential and refer to that, "
            + "\"secretKeyRef\": {\"name\": \"<credential>\", \"key\": \"<entry>\"}, instead of the value; "
            + "or set allowPlaintext to true if it is none.");
    }

    private static SecretKeyRef? ReadReference(RequestNode node, ICollection<CredentialReference> references)
    {
        if (node.AsObject("name", "key") is not { } reference) return null;

        var name = reference.Required("name", "name the credential")?.AsString();
        var key = reference.Required("key", "name the entry of the credential")?.AsText();
        if (name is null) return null;

        if (!DnsLabel.IsValid(name))
        {
            node.Errors.Malformed("invalid-name", reference["name"]!.Path, $"must be the name of a credential: {DnsLabel.Rule}.");
            return null;
        }

        if (key is null) return null;
        references.Add(new CredentialReference(node.Path, name, key));
        return new SecretKeyRef(name, key);
    }
}
