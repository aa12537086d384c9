using Governor.Contracts;

namespace Governor.Director.Configurations;

/// <summary>One configuration's content as it is assigned to one runtime.</summary>
/// <param name="Configuration">Name of the configuration.</param>
/// <param name="Revision">The assigned revision.</param>
/// <param name="Digest">Digest of the content for that runtime.</param>
/// <param name="Priority">Priority of that revision.</param>
/// <param name="CreatedOrder">Grows with the configurations' creation: of equal priority, the lower one wins.</param>
/// <param name="Components">The components of that revision.</param>
internal sealed record AssignedContent(
    string Configuration,
    int Revision,
    string Digest,
    int Priority,
    long CreatedOrder,
    IReadOnlyList<DesiredComponent> Components);

/// <summary>Makes of everything that is assigned to one runtime the whole that its Agent is sent.</summary>
internal static class DesiredStateComposer
{
    /// <summary>Orders configurations and components by name and marks every component as shadowed whose name a
    /// configuration of higher priority, or of the same and created earlier, gives the runtime too.</summary>
    /// <returns>The desired state, without credentials.</returns>
    public static DesiredState Compose(IEnumerable<AssignedContent> assigned)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        var configurations = new List<DesiredConfiguration>();

        foreach (var content in assigned
            .OrderByDescending(content => content.Priority)
            .ThenBy(content => content.CreatedOrder)
            .ThenBy(content => content.Configuration, StringComparer.Ordinal))
        {
            configurations.Add(new DesiredConfiguration(content.Configuration, content.Revision, content.Digest,
            [
                .. content.Components
                    .OrderBy(component => component.Name, StringComparer.Ordinal)
                    .Select(component => component with { Shadowed = !taken.Add(component.Name) }),
            ]));
        }

        configurations.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return new DesiredState(configurations, Credentials: []);
    }
}
