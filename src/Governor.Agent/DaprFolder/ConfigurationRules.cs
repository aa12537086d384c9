using Governor.Agent.DaprFolder.Secrets;
using Governor.Contracts;

namespace Governor.Agent.DaprFolder;

/// <summary>What this runtime refuses or cannot do, whatever the state of its disk.</summary>
internal sealed class ConfigurationRules(IReadOnlyList<string> deniedTypes)
{
    internal const string Foreign = "foreign";

    /// <summary>Why a configuration is not applied; null if nothing is against it.</summary>
    internal OutcomeMark? Refusal(DesiredConfiguration configuration, GivenSecrets given, FolderSnapshot found)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var component in configuration.InForce())
        {
            if (!ComponentName.IsValid(component.Name))
                return Rejected("invalid-component-name", $"Component name '{component.Name}' cannot be a file's name: use at most 250 of a-z, 0-9, '-' and '.', each part beginning and ending with a letter or digit.");
            if (component.Name.StartsWith(SecretSet.Prefix, StringComparison.Ordinal))
                return Rejected("invalid-component-name", $"Component name '{component.Name}' begins with {SecretSet.Prefix}, which is kept for the stores of credentials; choose another name.");
            if (!names.Add(component.Name))
                return Rejected("invalid-component-name", $"Component name '{component.Name}' is given twice.");
            if (IsDenied(component.Type))
                return Rejected("denied-component-type", $"Component '{component.Name}' has the type {component.Type}, which this runtime refuses (Agent:DeniedComponentTypes).");
            if (found.ForeignHolder(component.Name) is { } file)
                return Rejected(Foreign, $"Component '{component.Name}' belongs to another hand, in {file}; remove it there or choose another name.", component.Name);
            if (given.Missing(component) is { } reference)
                return Outcome(ApplyOutcome.Failed, "secret-entry-missing", $"Component '{component.Name}' refers to entry '{reference.Key}' of credential '{reference.Name}', which has no such entry now; rotate the credential to a version that has it, or correct the reference.");
            if (given.SetOf(component) is { } set && found.ForeignHolder(set.StoreName) is { } holder)
                return Rejected(Foreign, $"The store '{set.StoreName}' of component '{component.Name}' belongs to another hand, in {holder}; remove it there.", set.StoreName);
        }

        return null;

        OutcomeMark Rejected(string reason, string message, string? component = null) => Outcome(ApplyOutcome.Rejected, reason, message, component);

        OutcomeMark Outcome(ApplyOutcome outcome, string reason, string message, string? component = null) =>
            new(outcome, configuration.Digest, reason, message, component);
    }

    private bool IsDenied(string type) => deniedTypes.Any(pattern => pattern.EndsWith('*')
        ? type.StartsWith(pattern[..^1], StringComparison.OrdinalIgnoreCase)
        : type.Equals(pattern, StringComparison.OrdinalIgnoreCase));
}

/// <summary>What of a configuration is in force.</summary>
internal static class Shadowing
{
    /// <summary>The components that no other configuration shadows.</summary>
    internal static IEnumerable<DesiredComponent> InForce(this DesiredConfiguration configuration) =>
        configuration.Components.Where(component => !component.Shadowed);
}
