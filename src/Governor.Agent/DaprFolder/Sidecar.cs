using System.Net.Http.Json;
using System.Text.Json;
using Dapr;
using Dapr.Client;
using Grpc.Core;

namespace Governor.Agent.DaprFolder;

/// <summary>The daprd that reads the Agent's folder, asked whether it has loaded what was written. It proves that components
/// are registered, not what they hold.</summary>
internal sealed class Sidecar(Uri grpc, Uri? http, TimeSpan timeout, TimeProvider clock)
{
    private const string TokenVariable = "DAPR_API_TOKEN"; // Dapr's own name for it, which its client reads as well
    private static readonly TimeSpan AskEvery = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromSeconds(5);

    /// <summary>The sidecar that an Agent is told of, if it is.</summary>
    internal static Sidecar? Of(AgentOptions options, TimeProvider clock) => options.DaprGrpcEndpoint.Length == 0
        ? null
        : new Sidecar(new Uri(options.DaprGrpcEndpoint), options.DaprHttpEndpoint.Length == 0 ? null : new Uri(options.DaprHttpEndpoint), options.DaprLoadTimeout, clock);

    /// <summary>Waits until the components of every configuration are loaded, for a limited time together.</summary>
    /// <param name="expected">The components by configuration.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The configurations that were not loaded in time, with the reason.</returns>
    internal async Task<IReadOnlyDictionary<string, SidecarFailure>> WaitAsync(
        Dictionary<string, List<ExpectedComponent>> expected, CancellationToken cancellationToken)
    {
        var missing = expected.Where(configuration => configuration.Value.Count > 0).ToDictionary(StringComparer.Ordinal);
        var failures = new Dictionary<string, SidecarFailure>(StringComparer.Ordinal);
        if (missing.Count == 0)
            return failures;

        using var dapr = new DaprClientBuilder().UseGrpcEndpoint(grpc.ToString()).Build();
        Answer answer;
        for (var started = clock.GetTimestamp(); ; await Task.Delay(AskEvery, clock, cancellationToken))
        {
            answer = await AskAsync(dapr, timeout - clock.GetElapsedTime(started), cancellationToken);
            if (answer.Metadata is { } metadata)
            {
                foreach (var (name, components) in missing.ToList())
                {
                    components.RemoveAll(component => component.IsLoadedIn(metadata));
                    if (components.Count == 0)
                        missing.Remove(name);
                }
            }

            if (missing.Count == 0)
                return failures;
            if (clock.GetElapsedTime(started) >= timeout)
                break;
        }

        var reload = answer.Metadata is null ? "" : await ReloadAsync(cancellationToken);
        foreach (var (name, components) in missing)
            failures[name] = Failure(answer, components, reload);
        return failures;
    }

    private SidecarFailure Failure(Answer answer, List<ExpectedComponent> components, string reload)
    {
        if (answer.Metadata is not { } metadata)
            return new SidecarFailure("sidecar-unreachable", $"The sidecar at {grpc} does not answer ({answer.Silence}): start it, or correct Agent:DaprGrpcEndpoint. The files are written; the content comes again.");

        var names = string.Join(", ", components.Take(3).Select(component => component.Name)) + (components.Count > 3 ? $" and {components.Count - 3} more" : "");
        return new SidecarFailure("not-loaded", $"The files are written, but the sidecar '{metadata.Id}' has not loaded {names} within {timeout}. {reload}");
    }

    private async Task<Answer> AskAsync(DaprClient dapr, TimeSpan left, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromTicks(Math.Clamp(left.Ticks, AskEvery.Ticks, LongestAnswer.Ticks)), clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            return new Answer(await dapr.GetMetadataAsync(either.Token), Silence: "");
        }
        catch (Exception e) when (e is DaprException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return new Answer(Metadata: null, e.InnerException is RpcException { Status: var status } ? $"{status.StatusCode}: {status.Detail}" : "no answer in time");
        }
    }

    /// <summary>What to do about a sidecar that does not load, as far as it tells.</summary>
    private async Task<string> ReloadAsync(CancellationToken cancellationToken)
    {
        if (http is not null)
        {
            try
            {
                using var client = new HttpClient { Timeout = LongestAnswer };
                if (Environment.GetEnvironmentVariable(TokenVariable) is { Length: > 0 } token)
                    client.DefaultRequestHeaders.Add("dapr-api-token", token);
                var metadata = await client.GetFromJsonAsync<HttpMetadata>(new Uri(http, "/v1.0/metadata"), cancellationToken);
                return metadata?.EnabledFeatures?.Contains("HotReload", StringComparer.Ordinal) == true
                    ? $"It is daprd {metadata.RuntimeVersion} and reloads: its log tells what is wrong, or it reads another folder."
                    : $"It is daprd {metadata?.RuntimeVersion} with HotReload off: turn that on, or restart it.";
            }
            catch (Exception e) when (e is HttpRequestException or JsonException or OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested(); // else: it is asked for a hint only
            }
        }

        return "Look into its log; if its HotReload is off (the default before daprd 1.18), turn that on or restart it; and it must read this folder.";
    }

    private sealed record Answer(DaprMetadata? Metadata, string Silence);

    private sealed record HttpMetadata(string? RuntimeVersion, IReadOnlyList<string>? EnabledFeatures);
}

/// <summary>A component that a sidecar should have loaded.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type.</param>
/// <param name="Version">Version of the type.</param>
/// <param name="Scopes">Ids of the sidecars that load it; empty means all.</param>
internal sealed record ExpectedComponent(string Name, string Type, string Version, IReadOnlyList<string> Scopes)
{
    /// <summary>Whether a sidecar has it, or is not meant to.</summary>
    internal bool IsLoadedIn(DaprMetadata sidecar) =>
        (Scopes.Count > 0 && !Scopes.Contains(sidecar.Id, StringComparer.Ordinal))
        || sidecar.Components.Any(component => component.Name == Name && component.Type == Type && component.Version == Version);
}

/// <summary>Why a configuration that is in place is not proved to be loaded.</summary>
/// <param name="Reason">Stable code.</param>
/// <param name="Message">The same for people, with what to do.</param>
internal sealed record SidecarFailure(string Reason, string Message);
