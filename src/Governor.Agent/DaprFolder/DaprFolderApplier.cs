using Governor.Agent.DaprFolder.Secrets;
using Governor.Agent.Runtime;
using Governor.Contracts;
using Governor.Messaging.Sealing;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;

namespace Governor.Agent.DaprFolder;

/// <summary>Applies to self-hosted Dapr: one <c>&lt;component&gt;.yaml</c> each in the resources folder, which daprd watches,
/// and beside them the secret stores that they refer to.</summary>
/// <remarks>Never touches a file that it did not write. A configuration that is refused or fails keeps its last good
/// content, and holds up no other.</remarks>
internal sealed partial class DaprFolderApplier : IRuntimeApplier
{
    private static readonly TimeSpan RetryBudget = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan LeftoverAge = TimeSpan.FromMinutes(10);

    private readonly string _folder;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ConfigurationRules _rules;
    private readonly FolderMarkStore _marks;
    private readonly FolderReader _reader;
    private readonly SecretStores _stores;
    private readonly KeptContent _kept;
    private readonly Sidecar? _sidecar;
    private readonly ResiliencePipeline _patience;
    private long _applyStarted;

    internal DaprFolderApplier(AgentOptions options, byte[] macKey, TimeProvider clock, ILogger logger)
    {
        _folder = Path.GetFullPath(options.ResourcesPath);
        _clock = clock;
        _logger = logger;
        _rules = new ConfigurationRules([.. options.DeniedComponentTypes]);
        _marks = new FolderMarkStore(_folder, logger);
        _reader = new FolderReader(_folder, logger);
        _stores = new SecretStores(_folder, options.DaprResourcesPath is { Length: > 0 } seenAs ? seenAs : _folder, new SecretMacs(options.StatePath, macKey, logger));
        _kept = new KeptContent(_folder, _stores);
        _sidecar = Sidecar.Of(options, clock);
        _patience = new ResiliencePipelineBuilder { TimeProvider = clock }.AddRetry(new RetryStrategyOptions
        {
            MaxRetryAttempts = 2,
            BackoffType = DelayBackoffType.Exponential,
            Delay = TimeSpan.FromMilliseconds(200),
            // Many configurations on a broken disk must not add up: past the budget each gets one try.
            ShouldHandle = tried => ValueTask.FromResult(IsIo(tried.Outcome.Exception) && _clock.GetElapsedTime(_applyStarted) < RetryBudget),
        }).Build();
    }

    public long HandledGeneration => _marks.Load().Generation;

    public async Task ApplyAsync(long generation, DesiredState desired, IReadOnlyList<CredentialSecrets> secrets, CancellationToken cancellationToken)
    {
        _applyStarted = _clock.GetTimestamp();
        var mark = _marks.Load();
        var found = _reader.Read(mark);
        var given = new GivenSecrets(secrets);
        mark.Files = new(found.Own.ToDictionary(file => file.Key, file => file.Value.Configuration), StringComparer.Ordinal);

        var configurations = desired.Configurations.OrderBy(configuration => configuration.Name, StringComparer.Ordinal).ToList();
        var outcomes = new SortedDictionary<string, OutcomeMark>(StringComparer.Ordinal);
        foreach (var configuration in configurations)
        {
            outcomes[configuration.Name] = _rules.Refusal(configuration, given, found)
                ?? await PutAsync(configuration, given, mark, cancellationToken);
        }

        foreach (var stale in Stale(configurations, mark, outcomes))
        {
            var digest = configurations.Find(configuration => configuration.Name == stale.Key)?.Digest;
            var removal = await AttemptAsync(digest, "io-error", () => Remove(stale, mark), cancellationToken);
            if (removal.Outcome != ApplyOutcome.Applied)
                outcomes[stale.Key] = removal;
        }

        foreach (var kept in mark.Stores.Count == 0 ? [] : mark.Files.Keys.ToList())
            await TryAsync($"secrets of {kept}", () => _kept.Move(kept, given, mark, found), cancellationToken);

        var left = _reader.Read(mark);
        if (await ProveAsync(configurations, given, outcomes, StoresInUse(mark, left), cancellationToken))
            await TryAsync("removal of secrets", () => _stores.RemoveUnused(mark, left), cancellationToken);
        else
            LogSecretsKept(_folder);

        foreach (var gone in mark.Configurations.Keys.Where(name => !outcomes.ContainsKey(name)).ToList())
            mark.Configurations.Remove(gone);
        foreach (var gone in mark.Written.Keys.Where(component => !mark.Files.ContainsKey(component)).ToList())
            mark.Written.Remove(gone);
        mark.Outcomes = outcomes;
        mark.Generation = generation;
        // Last, so that whoever reads the mark finds what it speaks of. Unsaved, it is kept in memory and still reported.
        var saved = await AttemptAsync(digest: null, "io-error", () => _marks.Save(mark), cancellationToken);
        if (saved.Outcome != ApplyOutcome.Applied)
            LogMarkNotSaved(saved.Message);
    }

    public RuntimeObservation Observe()
    {
        var mark = _marks.Load();
        var found = _reader.Read(mark);
        return new RuntimeObservation(mark.Generation, FolderReport.Configurations(mark, found), _stores.Observe(mark, found));
    }

    public IAsyncDisposable Watch(Action changed) => new FolderWatcher(_folder, changed, _clock, _logger);

    /// <summary>Puts a configuration in place: the secrets that its components refer to, then the components.</summary>
    private async Task<OutcomeMark> PutAsync(DesiredConfiguration configuration, GivenSecrets given, FolderMark mark, CancellationToken cancellationToken)
    {
        var sets = configuration.InForce().Select(given.SetOf).OfType<SecretSet>().DistinctBy(set => set.Id, StringComparer.Ordinal).ToList();
        var secrets = await AttemptAsync(configuration.Digest, "secret-not-written", () => sets.ForEach(set => _stores.Write(set, mark)), cancellationToken);
        return secrets.Outcome != ApplyOutcome.Applied
            ? secrets
            : await AttemptAsync(configuration.Digest, "io-error", () => Write(configuration, given, mark), cancellationToken);
    }

    /// <summary>Puts a configuration's components in place. All are on disk before the first becomes visible, so that a
    /// full disk leaves the old content whole.</summary>
    private void Write(DesiredConfiguration configuration, GivenSecrets given, FolderMark mark)
    {
        var hashes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var staged = new List<(string Component, string Temporary)>();
        Directory.CreateDirectory(_folder);
        AtomicFile.RemoveLeftovers(_folder, _clock.GetUtcNow() - LeftoverAge);
        try
        {
            foreach (var component in configuration.InForce())
            {
                var content = ComponentYaml.Render(configuration, component, given.SetOf(component)?.StoreName);
                hashes.Add(component.Name, FolderReader.Hash(content));
                if (!AtomicFile.Holds(PathOf(component.Name), content))
                    staged.Add((component.Name, AtomicFile.Stage(_folder, content)));
            }

            foreach (var (component, temporary) in staged)
                File.Move(temporary, PathOf(component), overwrite: true);
        }
        finally
        {
            foreach (var (_, temporary) in staged)
                File.Delete(temporary);
        }

        foreach (var (component, hash) in hashes)
        {
            mark.Files[component] = configuration.Name;
            mark.Written[component] = hash;
        }

        mark.Configurations[configuration.Name] = new ConfigurationMark(configuration.Digest, hashes,
            [.. configuration.Components.Where(component => component.Shadowed).Select(component => component.Name)]);
    }

    /// <summary>Files of ours that nothing holds any more, by configuration. What a refused or failed configuration has in
    /// place stays; so does a component that is shadowed by one that was refused.</summary>
    private static List<IGrouping<string, string>> Stale(
        List<DesiredConfiguration> configurations, FolderMark mark, SortedDictionary<string, OutcomeMark> outcomes)
    {
        var inForce = configurations.SelectMany(Shadowing.InForce).Select(component => component.Name).ToHashSet(StringComparer.Ordinal);
        return [.. mark.Files
            .Where(file => !outcomes.TryGetValue(file.Value, out var outcome)
                || (outcome.Outcome == ApplyOutcome.Applied && !(inForce.Contains(file.Key) && Has(file.Value, file.Key))))
            .GroupBy(file => file.Value, file => file.Key)];

        bool Has(string configuration, string component) => configurations.Exists(candidate =>
            candidate.Name == configuration && candidate.Components.Any(content => content.Name == component));
    }

    private void Remove(IEnumerable<string> components, FolderMark mark)
    {
        foreach (var component in components)
        {
            File.Delete(PathOf(component));
            mark.Files.Remove(component);
        }
    }

    private static List<ExpectedComponent> StoresInUse(FolderMark mark, FolderSnapshot found) =>
        [.. found.Own.Values.SelectMany(file => file.Stores).Where(mark.Stores.ContainsKey).Distinct(StringComparer.Ordinal).Select(id => Store(id, []))];

    private static ExpectedComponent Store(string id, IReadOnlyList<string> scopes) =>
        new(SecretSet.StoreNameOf(id), ComponentYaml.StoreType, ComponentYaml.StoreVersion, scopes);

    /// <summary>Where there is a sidecar to ask, only what it has loaded counts as applied.</summary>
    /// <returns>Whether it has turned to the stores that are in use now: until then it may hold the former secrets, and those
    /// stay, so that they are reported.</returns>
    private async Task<bool> ProveAsync(List<DesiredConfiguration> configurations, GivenSecrets given,
        SortedDictionary<string, OutcomeMark> outcomes, List<ExpectedComponent> storesInUse, CancellationToken cancellationToken)
    {
        const string InUse = ""; // no configuration is called that
        if (_sidecar is null)
            return true;

        var expected = configurations
            .Where(configuration => outcomes[configuration.Name].Outcome == ApplyOutcome.Applied)
            .ToDictionary(configuration => configuration.Name, configuration => configuration.InForce().SelectMany(Expected).ToList(), StringComparer.Ordinal);
        expected.Add(InUse, storesInUse);
        var failures = await _sidecar.WaitAsync(expected, cancellationToken);
        foreach (var (name, failure) in failures.Where(failure => failure.Key != InUse))
            outcomes[name] = outcomes[name] with { Outcome = ApplyOutcome.Failed, Reason = failure.Reason, Message = failure.Message };
        return !failures.ContainsKey(InUse);

        // The store as well: after a rotation, it is what tells that the sidecar has looked again.
        IEnumerable<ExpectedComponent> Expected(DesiredComponent component)
        {
            yield return new ExpectedComponent(component.Name, component.Type, component.Version, component.Scopes);
            if (given.SetOf(component) is { } set)
                yield return Store(set.Id, component.Scopes);
        }
    }

    private async Task<OutcomeMark> AttemptAsync(string? digest, string failure, Action change, CancellationToken cancellationToken)
    {
        try
        {
            await _patience.ExecuteAsync(_ => { change(); return ValueTask.CompletedTask; }, cancellationToken);
            return new OutcomeMark(ApplyOutcome.Applied, digest);
        }
        catch (Exception e) when (IsIo(e))
        {
            return new OutcomeMark(ApplyOutcome.Failed, digest, failure, $"{_folder} cannot be written: {e.Message}");
        }
        catch (InvalidOperationException e)
        {
            return new OutcomeMark(ApplyOutcome.Rejected, digest, "invalid-value", $"A value of a component is no valid text: {e.Message}");
        }
    }

    /// <summary>What belongs to no configuration's outcome: the next message tries again.</summary>
    private async Task TryAsync(string what, Action change, CancellationToken cancellationToken)
    {
        var attempt = await AttemptAsync(digest: null, "io-error", change, cancellationToken);
        if (attempt.Outcome != ApplyOutcome.Applied)
            LogNotTidied(what, attempt.Message);
    }

    private string PathOf(string component) => Path.Combine(_folder, component + ".yaml");

    private static bool IsIo(Exception? e) => e is IOException or UnauthorizedAccessException;

    [LoggerMessage(2103, LogLevel.Warning, "What was handled is kept in memory only, because the mark cannot be saved: {Reason}")]
    private partial void LogMarkNotSaved(string? reason);

    [LoggerMessage(2107, LogLevel.Warning, "The sidecar has not loaded the stores of secrets in {Folder}; former secrets stay there until a message finds that it has")]
    private partial void LogSecretsKept(string folder);

    [LoggerMessage(2106, LogLevel.Warning, "The folder could not be brought up to date with the {What}, and the next message tries again: {Reason}")]
    private partial void LogNotTidied(string what, string? reason);
}
