using System.Text;
using Governor.Agent.Runtime;
using Governor.Contracts;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;

namespace Governor.Agent.DaprFolder;

/// <summary>Applies to self-hosted Dapr: one <c>&lt;component&gt;.yaml</c> each in the resources _folder, which daprd watches.</summary>
/// <remarks>Never touches a file that it did not write. A configuration that is refused or fails keeps its last good
/// content, and holds up no other.</remarks>
internal sealed partial class DaprFolderApplier : IRuntimeApplier
{
    private const string Foreign = "foreign";

    private static readonly TimeSpan RetryBudget = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan LeftoverAge = TimeSpan.FromMinutes(10);

    private readonly string _folder;
    private readonly IReadOnlyList<string> _denied;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly FolderMarkStore _marks;
    private readonly FolderReader _reader;
    private readonly ResiliencePipeline _patience;
    private long _applyStarted;

    internal DaprFolderApplier(string resourcesPath, IEnumerable<string> deniedComponentTypes, TimeProvider clock, ILogger logger)
    {
        _folder = Path.GetFullPath(resourcesPath);
        _denied = [.. deniedComponentTypes];
        _clock = clock;
        _logger = logger;
        _marks = new FolderMarkStore(_folder, logger);
        _reader = new FolderReader(_folder, logger);
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

    public async Task ApplyAsync(long generation, DesiredState desired, CancellationToken cancellationToken)
    {
        _applyStarted = _clock.GetTimestamp();
        var mark = _marks.Load();
        var found = _reader.Read(mark);
        mark.Files = new(found.Own.ToDictionary(file => file.Key, file => file.Value.Configuration), StringComparer.Ordinal);

        var configurations = desired.Configurations.OrderBy(configuration => configuration.Name, StringComparer.Ordinal).ToList();
        var outcomes = new SortedDictionary<string, OutcomeMark>(StringComparer.Ordinal);
        foreach (var configuration in configurations)
        {
            outcomes[configuration.Name] = Refusal(configuration, found)
                ?? await AttemptAsync(configuration.Digest, () => Write(configuration, mark), cancellationToken);
        }

        foreach (var stale in Stale(configurations, mark, outcomes))
        {
            var digest = configurations.Find(configuration => configuration.Name == stale.Key)?.Digest;
            var removal = await AttemptAsync(digest, () => Remove(stale, mark), cancellationToken);
            if (removal.Outcome != ApplyOutcome.Applied)
                outcomes[stale.Key] = removal;
        }

        foreach (var gone in mark.Configurations.Keys.Where(name => !outcomes.ContainsKey(name)).ToList())
            mark.Configurations.Remove(gone);
        mark.Outcomes = outcomes;
        mark.Generation = generation;
        // Last, so that whoever reads the mark finds what it speaks of. Unsaved, it is kept in memory and still reported.
        var saved = await AttemptAsync(digest: null, () => _marks.Save(mark), cancellationToken);
        if (saved.Outcome != ApplyOutcome.Applied)
            LogMarkNotSaved(saved.Message);
    }

    public RuntimeObservation Observe()
    {
        var mark = _marks.Load();
        var found = _reader.Read(mark);
        var there = found.Own.ToLookup(file => file.Value.Configuration, StringComparer.Ordinal);
        var names = mark.Configurations.Keys.Concat(mark.Outcomes.Keys).Concat(there.Select(files => files.Key));
        return new RuntimeObservation(mark.Generation,
            [.. names.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)
                .Select(name => Reported(name, mark, found, there[name].ToDictionary(file => file.Key, file => file.Value.Sha256)))
                .OfType<ReportedConfiguration>()]);
    }

    public IAsyncDisposable Watch(Action changed) => new FolderWatcher(_folder, changed, _clock, _logger);

    private OutcomeMark? Refusal(DesiredConfiguration configuration, FolderSnapshot found)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var component in InForce(configuration))
        {
            if (!ComponentName.IsValid(component.Name))
                return Rejected("invalid-component-name", $"Component name '{component.Name}' cannot be a file's name: use at most 250 of a-z, 0-9, '-' and '.', each part beginning and ending with a letter or digit.");
            if (!names.Add(component.Name))
                return Rejected("invalid-component-name", $"Component name '{component.Name}' is given twice.");
            if (IsDenied(component.Type))
                return Rejected("denied-component-type", $"Component '{component.Name}' has the type {component.Type}, which this runtime refuses (Agent:DeniedComponentTypes).");
            if (found.ForeignHolder(component.Name) is { } file)
                return Rejected(Foreign, $"Component '{component.Name}' belongs to another hand, in {file}; remove it there or choose another name.", component.Name);
        }

        return null;

        OutcomeMark Rejected(string reason, string message, string? component = null) =>
            new(ApplyOutcome.Rejected, configuration.Digest, reason, message, component);
    }

    /// <summary>Puts a configuration's components in place. All are on disk before the first becomes visible, so that a
    /// full disk leaves the old content whole.</summary>
    private void Write(DesiredConfiguration configuration, FolderMark mark)
    {
        var hashes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var staged = new List<(string Component, string Temporary)>();
        Directory.CreateDirectory(_folder);
        AtomicFile.RemoveLeftovers(_folder, _clock.GetUtcNow() - LeftoverAge);
        try
        {
            foreach (var component in InForce(configuration))
            {
                var content = ComponentYaml.Render(configuration, component);
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

        foreach (var component in hashes.Keys)
            mark.Files[component] = configuration.Name;
        mark.Configurations[configuration.Name] = new ConfigurationMark(configuration.Digest, hashes,
            [.. configuration.Components.Where(component => component.Shadowed).Select(component => component.Name)]);
    }

    /// <summary>Files of ours that nothing holds any more, by configuration. What a refused or failed configuration has in
    /// place stays; so does a component that is shadowed by one that was refused.</summary>
    private static List<IGrouping<string, string>> Stale(
        List<DesiredConfiguration> configurations, FolderMark mark, SortedDictionary<string, OutcomeMark> outcomes)
    {
        var inForce = configurations.SelectMany(InForce).Select(component => component.Name).ToHashSet(StringComparer.Ordinal);
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

    private async Task<OutcomeMark> AttemptAsync(string? digest, Action change, CancellationToken cancellationToken)
    {
        try
        {
            await _patience.ExecuteAsync(_ => { change(); return ValueTask.CompletedTask; }, cancellationToken);
            return new OutcomeMark(ApplyOutcome.Applied, digest);
        }
        catch (Exception e) when (IsIo(e))
        {
            return new OutcomeMark(ApplyOutcome.Failed, digest, "io-error", $"{_folder} cannot be written: {e.Message}");
        }
        catch (InvalidOperationException e)
        {
            return new OutcomeMark(ApplyOutcome.Rejected, digest, "invalid-value", $"A value of a component is no valid text: {e.Message}");
        }
    }

    private static ReportedConfiguration? Reported(
        string name, FolderMark mark, FolderSnapshot found, Dictionary<string, string> there)
    {
        var applied = mark.Configurations.GetValueOrDefault(name);
        var outcome = mark.Outcomes.GetValueOrDefault(name) is { } last ? Today(last, found) : null;
        var whole = applied is not null
            && applied.Components.All(file => there.GetValueOrDefault(file.Key) == file.Value)
            && there.Keys.All(component => applied.Components.ContainsKey(component) || applied.Shadowed.Contains(component, StringComparer.Ordinal));
        var digest = whole ? applied!.Digest : there.Count > 0 ? Fingerprint(there) : null;
        if (applied is null && digest is null && outcome is null or { Outcome: ApplyOutcome.Applied })
            return null;
        return new ReportedConfiguration(name, digest, outcome?.Outcome, outcome?.Digest, outcome?.Reason, outcome?.Message);
    }

    /// <summary>A name that the other hand has let go of is no refusal any more: told as a failure, the content comes again.</summary>
    private static OutcomeMark Today(OutcomeMark outcome, FolderSnapshot found) =>
        outcome is { Reason: Foreign, Component: { } component } && found.ForeignHolder(component) is null
            ? outcome with { Outcome = ApplyOutcome.Failed, Message = $"Component '{component}' belongs to another hand no more; the content can be applied now." }
            : outcome;

    private static string Fingerprint(Dictionary<string, string> there) => FolderReader.Hash(Encoding.UTF8.GetBytes(
        string.Join('\n', there.OrderBy(file => file.Key, StringComparer.Ordinal).Select(file => $"{file.Key} {file.Value}"))));

    private bool IsDenied(string type) => _denied.Any(pattern => pattern.EndsWith('*')
        ? type.StartsWith(pattern[..^1], StringComparison.OrdinalIgnoreCase)
        : type.Equals(pattern, StringComparison.OrdinalIgnoreCase));

    private static IEnumerable<DesiredComponent> InForce(DesiredConfiguration configuration) =>
        configuration.Components.Where(component => !component.Shadowed);

    private string PathOf(string component) => Path.Combine(_folder, component + ".yaml");

    private static bool IsIo(Exception? e) => e is IOException or UnauthorizedAccessException;

    [LoggerMessage(2103, LogLevel.Warning, "What was handled is kept in memory only, because the mark cannot be saved: {Reason}")]
    private partial void LogMarkNotSaved(string? reason);
}
