using System.Text;
using System.Text.Json;
using Governor.Agent.DaprFolder.Secrets;
using Governor.Contracts;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Governor.Agent.DaprFolder;

/// <summary>A component as the YAML of a Dapr Component that carries our mark. Equal components give equal bytes.</summary>
internal static class ComponentYaml
{
    internal const string ManagedBy = "app.kubernetes.io/managed-by";
    internal const string Governor = "governor";
    internal const string Configuration = "governor/configuration";
    internal const string Digest = "governor/digest";
    internal const string Credentials = "governor/credentials";
    internal const string StoreType = "secretstores.local.file";
    internal const string StoreVersion = "v1";

    // Texts are quoted and keep to one line, so that nothing else in a file of ours reads like this.
    private const string StoreLine = "\nauth:\n  secretStore: \"";

    private const string Header = "# Written by the Governor: changes by another hand are reverted.\n";

    /// <summary>Renders one component of a configuration.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="component">Its component.</param>
    /// <param name="secretStore">Name of the store that the component's references lead to, if it has any.</param>
    /// <exception cref="InvalidOperationException">A value is no valid text (a lone surrogate).</exception>
    internal static byte[] Render(DesiredConfiguration configuration, DesiredComponent component, string? secretStore = null) =>
        Render(component, [(Configuration, configuration.Name), (Digest, configuration.Digest)], secretStore);

    /// <summary>Renders a store that reads a secret file.</summary>
    /// <param name="name">The store's name.</param>
    /// <param name="versions">What the file holds, in lines of <c>name@versionId</c>.</param>
    /// <param name="secretsFile">Path of the file, as the sidecar sees it.</param>
    internal static byte[] RenderStore(string name, string versions, string secretsFile) =>
        Render(new DesiredComponent(name, StoreType, StoreVersion, [Setting("secretsFile", secretsFile), Setting("multiValued", "true")], []),
            [(Credentials, versions)], secretStore: null, ignoreErrors: true); // else a store that cannot be read ends daprd with all that it has loaded

    /// <summary>Id of the secret set that a component of ours refers to, if it has one.</summary>
    internal static string? StoreOf(byte[] component)
    {
        var text = Encoding.UTF8.GetString(component);
        var at = text.IndexOf(StoreLine, StringComparison.Ordinal);
        var end = at < 0 ? -1 : text.IndexOf('"', at + StoreLine.Length);
        return end < 0 ? null : SecretSet.IdIn(text[(at + StoreLine.Length)..end]);
    }

    /// <summary>The same component, referring to another secret set.</summary>
    internal static byte[] WithStore(byte[] component, string id) => Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(component).Replace(
        StoreLine + SecretSet.StoreNameOf(StoreOf(component)!), StoreLine + SecretSet.StoreNameOf(id), StringComparison.Ordinal));

    private static byte[] Render(DesiredComponent component, IReadOnlyList<(string Key, string Text)> annotations, string? secretStore, bool ignoreErrors = false)
    {
        var text = new StringWriter { NewLine = "\n" };
        text.Write(Header);
        var yaml = new Writer(text);
        yaml.Document(() => yaml.Map(
            ("apiVersion", () => yaml.Plain("dapr.io/v1alpha1")),
            ("kind", () => yaml.Plain("Component")),
            ("metadata", () => yaml.Map(
                ("name", () => yaml.Text(component.Name)),
                ("labels", () => yaml.Map((ManagedBy, () => yaml.Text(Governor)))),
                ("annotations", () => yaml.Map([.. annotations.Select(annotation =>
                    (annotation.Key, (Action?)(() => yaml.Text(annotation.Text))))])))),
            ("spec", () => yaml.Map(
                ("type", () => yaml.Text(component.Type)),
                ("version", () => yaml.Text(component.Version)),
                ("ignoreErrors", ignoreErrors ? () => yaml.Plain("true") : null),
                ("metadata", () => yaml.List(component.Metadata, yaml.Setting)))),
            ("auth", secretStore is null ? null : () => yaml.Map(("secretStore", () => yaml.Text(secretStore)))),
            ("scopes", component.Scopes.Count == 0 ? null : () => yaml.List(component.Scopes, yaml.Text))));
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static ComponentSetting Setting(string name, string value) => new(name, JsonSerializer.SerializeToElement(value));

    private sealed class Writer(TextWriter text)
    {
        // Without folding, a long value stays on its line and every reader gets it unchanged.
        private readonly Emitter _emitter = new(text, new EmitterSettings(
            bestIndent: 2, bestWidth: int.MaxValue, isCanonical: false, maxSimpleKeyLength: 1024));

        internal void Document(Action root)
        {
            _emitter.Emit(new StreamStart());
            _emitter.Emit(new DocumentStart(version: null, tags: null, isImplicit: true));
            root();
            _emitter.Emit(new DocumentEnd(isImplicit: true));
            _emitter.Emit(new StreamEnd());
        }

        /// <summary>A mapping with keys of ours; one without a value is left out.</summary>
        internal void Map(params ReadOnlySpan<(string Key, Action? Value)> entries)
        {
            _emitter.Emit(new MappingStart(AnchorName.Empty, TagName.Empty, isImplicit: true, MappingStyle.Block));
            foreach (var (key, value) in entries)
            {
                if (value is null)
                    continue;
                Plain(key);
                value();
            }

            _emitter.Emit(new MappingEnd());
        }

        internal void List<T>(IReadOnlyCollection<T> items, Action<T> write)
        {
            _emitter.Emit(new SequenceStart(AnchorName.Empty, TagName.Empty, isImplicit: true,
                items.Count == 0 ? SequenceStyle.Flow : SequenceStyle.Block));
            foreach (var item in items)
                write(item);
            _emitter.Emit(new SequenceEnd());
        }

        internal void Setting(ComponentSetting setting) => Map(
            ("name", () => Text(setting.Name)),
            ("value", setting.Value is { } value ? () => Json(value) : null),
            ("secretKeyRef", setting.SecretKeyRef is not { } reference ? null : () => Map(
                ("name", () => Text(reference.Name)),
                ("key", () => Text(reference.Key)))));

        private void Json(JsonElement value)
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.Object:
                    var members = value.EnumerateObject().ToList();
                    _emitter.Emit(new MappingStart(AnchorName.Empty, TagName.Empty, isImplicit: true,
                        members.Count == 0 ? MappingStyle.Flow : MappingStyle.Block));
                    foreach (var member in members)
                    {
                        Text(member.Name);
                        Json(member.Value);
                    }

                    _emitter.Emit(new MappingEnd());
                    break;
                case JsonValueKind.Array:
                    List([.. value.EnumerateArray()], Json);
                    break;
                case JsonValueKind.String:
                    Text(value.GetString()!);
                    break;
                default: // numbers, true, false and null read the same in YAML
                    Plain(value.GetRawText());
                    break;
            }
        }

        /// <summary>Always quoted: "true", "1e3" and "~" stay the strings that they are.</summary>
        internal void Text(string value) =>
            _emitter.Emit(new Scalar(AnchorName.Empty, TagName.Empty, value, ScalarStyle.DoubleQuoted, isPlainImplicit: false, isQuotedImplicit: true));

        internal void Plain(string value) =>
            _emitter.Emit(new Scalar(AnchorName.Empty, TagName.Empty, value, ScalarStyle.Plain, isPlainImplicit: true, isQuotedImplicit: false));
    }
}
