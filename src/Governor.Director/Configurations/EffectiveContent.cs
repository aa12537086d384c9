using Governor.Contracts;

namespace Governor.Director.Configurations;

/// <summary>What of a desired state is in force in the runtime: the components that nothing shadows, each with the
/// configuration that it comes from.</summary>
internal static class EffectiveContent
{
    /// <summary>Whether two desired states put the same in force. Revision numbers do not count.</summary>
    public static bool Same(DesiredState before, DesiredState after)
    {
        var (old, current) = (InForce(before), InForce(after));
        return old.Count == current.Count
            && current.All(item => old.TryGetValue(item.Key, out var former) && Same(former, item.Value));
    }

    private static bool Same(Component a, Component b) =>
        a.Configuration.Name == b.Configuration.Name
        && (a.Configuration.Digest == b.Configuration.Digest || Text(a.Content) == Text(b.Content));

    private static Dictionary<string, Component> InForce(DesiredState state) => state.Configurations
        .SelectMany(configuration => configuration.Components
            .Where(component => !component.Shadowed)
            .Select(component => new Component(configuration, component)))
        .ToDictionary(component => component.Content.Name, StringComparer.Ordinal);

    private static string Text(DesiredComponent component) =>
        CanonicalJson.SerializeToString(ComponentDocument.ToElement(ComponentDocument.Of(component)));

    private readonly record struct Component(DesiredConfiguration Configuration, DesiredComponent Content);
}
