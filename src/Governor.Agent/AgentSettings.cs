using System.Text.RegularExpressions;

namespace Governor.Agent;

/// <summary>The rules that Agents' settings must follow.</summary>
internal static partial class AgentSettings
{
    /// <summary>The one kind that has an applier so far.</summary>
    internal const string StandaloneKyma = "standalone-kyma";

    private static readonly string[] LaterKinds = ["managed-kyma", "service-catalog", "cloud-foundry"];

    /// <summary>Refuses settings that cannot work.</summary>
    /// <exception cref="AgentSettingsException">At least one rule is broken; all that are, are named.</exception>
    internal static void Check(IReadOnlyList<AgentOptions> agents)
    {
        List<string> errors = [.. agents.SelectMany(Errors), .. Shared(agents)];
        if (errors.Count > 0)
            throw new AgentSettingsException(errors);
    }

    private static IEnumerable<string> Errors(AgentOptions agent)
    {
        if (!DnsLabel().IsMatch(agent.RuntimeId))
            yield return $"Agent:RuntimeId is '{agent.RuntimeId}': it must be 1 to 63 of a-z, 0-9 and '-', and neither begin nor end with '-'; set it to the id that the runtime is registered under.";

        if (LaterKinds.Contains(agent.Kind, StringComparer.Ordinal))
            yield return $"Agent:Kind is '{agent.Kind}': this version applies to {StandaloneKyma} only; run the Agent for a runtime of that kind.";
        else if (agent.Kind != StandaloneKyma)
            yield return $"Agent:Kind is '{agent.Kind}': there is no such kind; set it to {StandaloneKyma}.";

        if (agent.ReportInterval < TimeSpan.FromSeconds(1) || agent.ReportInterval > TimeSpan.FromDays(1))
            yield return $"Agent:ReportInterval is '{agent.ReportInterval}': it must be 00:00:01 to 1.00:00:00; leave it out for one minute.";

        if (string.IsNullOrWhiteSpace(agent.ResourcesPath))
            yield return "Agent:ResourcesPath is missing: set it to the folder that daprd reads its resources from (its --resources-path).";

        if (string.IsNullOrWhiteSpace(agent.StatePath))
            yield return "Agent:StatePath is missing: set it to a folder of the Agent's own that outlives restarts; its key is kept there.";

        foreach (var type in agent.DeniedComponentTypes.Where(type => !TypePattern().IsMatch(type)))
            yield return $"Agent:DeniedComponentTypes has '{type}': an entry is a component type, or its beginning followed by one '*', like bindings.*; correct it.";
    }

    private static IEnumerable<string> Shared(IReadOnlyList<AgentOptions> agents)
    {
        foreach (var same in agents.GroupBy(agent => agent.RuntimeId, StringComparer.Ordinal).Where(same => same.Count() > 1))
            yield return $"Agent:RuntimeId '{same.Key}' is given to {same.Count()} Agents of one process: give each its own.";

        foreach (var same in agents.Where(agent => !string.IsNullOrWhiteSpace(agent.ResourcesPath))
            .GroupBy(agent => Path.GetFullPath(agent.ResourcesPath), StringComparer.Ordinal).Where(same => same.Count() > 1))
            yield return $"Agent:ResourcesPath '{same.Key}' is given to {same.Count()} Agents: they would remove each other's components; give each its own folder.";
    }

    [GeneratedRegex(@"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex DnsLabel();

    [GeneratedRegex(@"\A[A-Za-z0-9._/-]+\*?\z|\A\*\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex TypePattern();
}
