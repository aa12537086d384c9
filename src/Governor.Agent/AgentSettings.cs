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

        foreach (var error in SidecarErrors(agent))
            yield return error;

        foreach (var type in agent.DeniedComponentTypes.Where(type => !TypePattern().IsMatch(type)))
            yield return $"Agent:DeniedComponentTypes has '{type}': an entry is a component type, or its beginning followed by one '*', like bindings.*; correct it.";
    }

    private static IEnumerable<string> SidecarErrors(AgentOptions agent)
    {
        // It is a path on the sidecar's machine: absolute in either form.
        if (agent.DaprResourcesPath.Length > 0 && !AbsolutePath().IsMatch(agent.DaprResourcesPath))
            yield return $"Agent:DaprResourcesPath is '{agent.DaprResourcesPath}': it must be the absolute path by which daprd sees the resources folder; leave it out if that is Agent:ResourcesPath.";

        if (agent.DaprGrpcEndpoint.Length > 0 && !IsAddress(agent.DaprGrpcEndpoint))
            yield return $"Agent:DaprGrpcEndpoint is '{agent.DaprGrpcEndpoint}': it must be the address of daprd's gRPC API, like http://127.0.0.1:50001; leave it out if daprd is not to be asked.";

        if (agent.DaprHttpEndpoint.Length > 0 && !IsAddress(agent.DaprHttpEndpoint))
            yield return $"Agent:DaprHttpEndpoint is '{agent.DaprHttpEndpoint}': it must be the address of daprd's HTTP API, like http://127.0.0.1:3500; or leave it out.";
        else if (agent.DaprHttpEndpoint.Length > 0 && agent.DaprGrpcEndpoint.Length == 0)
            yield return "Agent:DaprHttpEndpoint is of use only beside Agent:DaprGrpcEndpoint, which is missing: add that, or leave out both.";

        if (agent.DaprLoadTimeout < TimeSpan.FromSeconds(1) || agent.DaprLoadTimeout > TimeSpan.FromMinutes(5))
            yield return $"Agent:DaprLoadTimeout is '{agent.DaprLoadTimeout}': it must be 00:00:01 to 00:05:00; leave it out for 20 seconds.";
    }

    private static bool IsAddress(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri)
        && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps)
        && uri is { PathAndQuery: "/", Fragment: "", UserInfo: "" };

    private static IEnumerable<string> Shared(IReadOnlyList<AgentOptions> agents)
    {
        foreach (var same in agents.GroupBy(agent => agent.RuntimeId, StringComparer.Ordinal).Where(same => same.Count() > 1))
            yield return $"Agent:RuntimeId '{same.Key}' is given to {same.Count()} Agents of one process: give each its own.";

        foreach (var same in agents.Where(agent => !string.IsNullOrWhiteSpace(agent.ResourcesPath))
            .GroupBy(agent => Path.GetFullPath(agent.ResourcesPath), StringComparer.Ordinal).Where(same => same.Count() > 1))
            yield return $"Agent:ResourcesPath '{same.Key}' is given to {same.Count()} Agents: they would remove each other's components; give each its own folder.";

        foreach (var same in agents.Where(agent => !string.IsNullOrWhiteSpace(agent.StatePath))
            .GroupBy(agent => Path.GetFullPath(agent.StatePath), StringComparer.Ordinal).Where(same => same.Count() > 1))
            yield return $"Agent:StatePath '{same.Key}' is given to {same.Count()} Agents of one process: they would forget each other's secrets; give each its own folder.";
    }

    [GeneratedRegex(@"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex DnsLabel();

    [GeneratedRegex(@"\A(/|[A-Za-z]:[\\/]|\\\\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex AbsolutePath();

    [GeneratedRegex(@"\A[A-Za-z0-9._/-]+\*?\z|\A\*\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex TypePattern();
}
