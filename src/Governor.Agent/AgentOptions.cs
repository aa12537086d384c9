using Microsoft.Extensions.Configuration;

namespace Governor.Agent;

/// <summary>Settings of one Agent: configuration section <c>Agent</c>, environment <c>Agent__…</c>.</summary>
public sealed class AgentOptions
{
    /// <summary>Name of the configuration section.</summary>
    public const string Section = "Agent";

    /// <summary>The runtime that the Agent serves, a DNS label (1–63 of <c>a-z0-9-</c>). Required.</summary>
    public string RuntimeId { get; set; } = "";

    /// <summary>Kind of the runtime. Required; the only one with an applier so far is <c>standalone-kyma</c>.</summary>
    public string Kind { get; set; } = "";

    /// <summary>Time between reports that nothing else causes, ± 10 % jitter; 1 s to 1 day, default 1 min.</summary>
    public TimeSpan ReportInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Dapr resources folder that the Agent writes components into; made when missing. Required for
    /// <c>standalone-kyma</c>, and never shared by two runtimes.</summary>
    public string ResourcesPath { get; set; } = "";

    /// <summary>The same folder as the sidecar sees it, an absolute path: it goes into the stores of secrets. Default: the
    /// absolute <see cref="ResourcesPath"/>.</summary>
    public string DaprResourcesPath { get; set; } = "";

    /// <summary>Address of the sidecar's gRPC API, like <c>http://127.0.0.1:50001</c>: then content counts as applied only when
    /// the sidecar has loaded it. Default: not asked. An API token is taken from <c>DAPR_API_TOKEN</c>.</summary>
    public string DaprGrpcEndpoint { get; set; } = "";

    /// <summary>Address of the sidecar's HTTP API, like <c>http://127.0.0.1:3500</c>, which tells whether it reloads at all, for
    /// the message of a failure. Optional beside <see cref="DaprGrpcEndpoint"/>.</summary>
    public string DaprHttpEndpoint { get; set; } = "";

    /// <summary>Longest time that the sidecar is given to load what one message brings; 1 s to 5 min, default 20 s.</summary>
    public TimeSpan DaprLoadTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Folder of the Agent's keys and of what it remembers of the secrets that it wrote, made when missing. Required;
    /// keep it across restarts, because the Director trusts a changed key only after an operator's word.</summary>
    public string StatePath { get; set; } = "";

    /// <summary>Component types that this runtime refuses; a trailing <c>*</c> matches a prefix. Default: none. As one
    /// environment variable, separated by commas.</summary>
    public IList<string> DeniedComponentTypes { get; } = [];

    /// <summary>The longest time to the next report, jitter included.</summary>
    internal TimeSpan LongestInterval => ReportInterval * 1.1;

    /// <summary>Reads one Agent's settings from its section.</summary>
    /// <exception cref="AgentSettingsException">A value has the wrong form.</exception>
    internal static AgentOptions Read(IConfigurationSection section)
    {
        var options = new AgentOptions();
        try
        {
            section.Bind(options);
        }
        catch (InvalidOperationException e)
        {
            throw new AgentSettingsException([$"{e.Message} Durations are written hh:mm:ss."]);
        }

        // The binder fills lists from numbered keys only; one environment variable is easier to set.
        foreach (var type in (section[nameof(DeniedComponentTypes)] ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            options.DeniedComponentTypes.Add(type);
        return options;
    }
}
