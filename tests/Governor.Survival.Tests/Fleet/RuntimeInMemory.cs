using Governor.Agent.Runtime;
using Governor.Contracts;
using Governor.Messaging.Sealing;
using Governor.Survival.Tests.Model;

namespace Governor.Survival.Tests.Fleet;

/// <summary>A runtime with what carries our mark in it: components, the content last applied of each configuration, outcomes,
/// and the generation last handled. It refuses some contents, fails when told to, and another hand may change it.</summary>
/// <param name="refuses">Whether it refuses a component's value.</param>
/// <param name="off">A rule that does not hold in this variant.</param>
internal sealed class RuntimeInMemory(Func<string, bool> refuses, Rule? off = null) : IRuntimeApplier
{
    /// <summary>What a report says of a secret that another hand has changed.</summary>
    public const string ByHand = "byhand";

    private readonly HashSet<(string Credential, string VersionId)> former = [];

    private readonly SortedDictionary<string, Mark> marks = new(StringComparer.Ordinal);
    private SortedDictionary<string, (ApplyOutcome Outcome, string? Digest)> outcomes = new(StringComparer.Ordinal);

    private sealed record Mark(string Digest, IReadOnlyDictionary<string, string> InForce, IReadOnlySet<string> Shadowed);

    /// <summary>What is in place: per component the configuration that it was written for, and its value.</summary>
    public SortedDictionary<string, (string Configuration, string Value)> Components { get; } = new(StringComparer.Ordinal);

    /// <summary>The secrets in place: per credential its version.</summary>
    public SortedDictionary<string, string> Secrets { get; } = new(StringComparer.Ordinal);

    /// <summary>All versions in place, with those that were replaced and are still loaded.</summary>
    public IEnumerable<(string Credential, string VersionId)> HeldVersions => Secrets.Select(s => (s.Key, s.Value)).Concat(former);

    /// <summary>How many of the next secrets that are replaced stay loaded for a while.</summary>
    public int Lingering { get; set; }

    public long HandledGeneration { get; private set; }

    /// <summary>How many of the next writes fail.</summary>
    public int Failing { get; set; }

    /// <summary>How many configurations are written before the process dies; null if it lives.</summary>
    public int? DiesAfter { get; set; }

    /// <summary>Called before a whole is applied.</summary>
    public Action<long> Applying { get; init; } = _ => { };

    /// <summary>Digests that it ever rejected.</summary>
    public HashSet<string> EverRejected { get; } = new(StringComparer.Ordinal);

    public Task ApplyAsync(long generation, DesiredState desired, IReadOnlyList<CredentialSecrets> secrets, CancellationToken cancellationToken)
    {
        Applying(generation);
        Apply(desired, secrets);
        HandledGeneration = generation;
        return Task.CompletedTask;
    }

    /// <summary>Each configuration has its own outcome: one that is refused or fails keeps its last good content, except for
    /// a component whose name another configuration takes.</summary>
    private void Apply(DesiredState desired, IReadOnlyList<CredentialSecrets> secrets)
    {
        Assert.Equal(desired.Credentials.Select(c => c.VersionId), secrets.Select(s => s.VersionId));
        LetGoOfFormerSecrets();
        var unwritten = secrets.Where(s => !Write(s)).Select(s => s.Name).ToHashSet(StringComparer.Ordinal);
        var results = new SortedDictionary<string, (ApplyOutcome Outcome, string? Digest)>(StringComparer.Ordinal);
        var assigned = desired.Configurations.ToDictionary(c => c.Name, StringComparer.Ordinal);
        var inForce = desired.Configurations.SelectMany(c => c.Components.Where(p => !p.Shadowed)).Select(p => p.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var configuration in desired.Configurations)
        {
            if (DiesAfter-- == 0)
                throw new ProcessDiedException();
            results[configuration.Name] = (Write(configuration, unwritten), configuration.Digest);
        }

        // What nothing holds any more goes; what is refused or failed stays, unless it is no longer assigned.
        foreach (var owner in Components.Values.Select(c => c.Configuration).Distinct(StringComparer.Ordinal).ToList())
        {
            var kept = assigned.TryGetValue(owner, out var its) && results[owner].Outcome != ApplyOutcome.Applied;
            var stale = Components.Where(c => c.Value.Configuration == owner && !kept
                && !(inForce.Contains(c.Key) && its?.Components.Any(p => p.Name == c.Key) == true)).Select(c => c.Key).ToList();
            if (stale.Count > 0 && Fails())
                results[owner] = (ApplyOutcome.Failed, its?.Digest);
            else
                stale.ForEach(name => Components.Remove(name));
        }

        var used = off == Rule.AgentKeepsTheSecretsOfWhatStays ? []
            : Components.Values.Select(c => Content.CredentialOf(c.Value)).OfType<string>().ToHashSet(StringComparer.Ordinal);
        foreach (var name in Secrets.Keys.Where(name => !used.Contains(name) && secrets.All(s => s.Name != name)).ToList())
            Secrets.Remove(name);
        foreach (var gone in marks.Keys.Where(name => !results.ContainsKey(name)).ToList())
            marks.Remove(gone);
        outcomes = results;
    }

    /// <returns>Whether it is in place.</returns>
    private bool Write(CredentialSecrets secret)
    {
        if (Secrets.GetValueOrDefault(secret.Name) == secret.VersionId)
            return true;
        if (Fails())
            return false;

        if (Lingering > 0 && Secrets.TryGetValue(secret.Name, out var replaced))
        {
            Lingering--;
            former.Add((secret.Name, replaced));
        }

        Secrets[secret.Name] = secret.VersionId;
        return true;
    }

    /// <summary>What was replaced is loaded no more.</summary>
    public void LetGoOfFormerSecrets() => former.Clear();

    private ApplyOutcome Write(DesiredConfiguration configuration, HashSet<string> unwritten)
    {
        var content = configuration.Components.Where(c => !c.Shadowed).ToDictionary(c => c.Name, Content.ValueOf, StringComparer.Ordinal);
        var changed = content.Where(c => !Components.TryGetValue(c.Key, out var there) || there != (configuration.Name, c.Value)).ToList();
        if (content.Values.Select(Content.PlainOf).Any(refuses))
        {
            EverRejected.Add(configuration.Digest);
            return ApplyOutcome.Rejected;
        }

        var lacksSecret = content.Values.Select(Content.CredentialOf).OfType<string>().Any(name => !Secrets.ContainsKey(name)
            || (unwritten.Contains(name) && off != Rule.AgentFailsWhatLacksItsNewSecret));
        if ((changed.Count > 0 && Fails()) || lacksSecret)
            return ApplyOutcome.Failed;

        foreach (var (name, value) in changed)
            Components[name] = (configuration.Name, value);
        marks[configuration.Name] = new Mark(configuration.Digest, content,
            configuration.Components.Where(c => c.Shadowed).Select(c => c.Name).ToHashSet(StringComparer.Ordinal));
        return ApplyOutcome.Applied;
    }

    private bool Fails()
    {
        if (Failing == 0)
            return false;

        Failing--;
        return true;
    }

    public RuntimeObservation Observe()
    {
        var names = marks.Keys.Concat(outcomes.Keys).Concat(Components.Values.Select(c => c.Configuration));
        return new RuntimeObservation(HandledGeneration,
            [.. names.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Select(Reported).OfType<ReportedConfiguration>()],
            [.. HeldVersions.Order().Select(v => new ReportedCredential(v.Credential, v.VersionId))]);
    }

    private ReportedConfiguration? Reported(string name)
    {
        var digest = Shown(name);
        var hasOutcome = outcomes.TryGetValue(name, out var outcome);
        return digest is null && (!hasOutcome || outcome.Outcome == ApplyOutcome.Applied) && !marks.ContainsKey(name) ? null
            : new ReportedConfiguration(name, digest, hasOutcome ? outcome.Outcome : null, hasOutcome ? outcome.Digest : null);
    }

    /// <summary>The digest of what is really there of a configuration: that of the content last applied if all of it is there
    /// unchanged, another if not, null if nothing is.</summary>
    public string? Shown(string configuration)
    {
        var there = Components.Where(c => c.Value.Configuration == configuration).ToDictionary(c => c.Key, c => c.Value.Value);
        if (marks.GetValueOrDefault(configuration) is { } mark && mark.InForce.All(c => there.GetValueOrDefault(c.Key) == c.Value)
            && there.Keys.All(name => mark.InForce.ContainsKey(name) || mark.Shadowed.Contains(name)))
        {
            return mark.Digest;
        }

        // Of letters and digits, as every digest.
        return there.Count == 0 ? null : "there" + string.Concat(there.OrderBy(c => c.Key, StringComparer.Ordinal)
            .Select(c => c.Key + c.Value.Replace(Content.Refers.ToString(), "", StringComparison.Ordinal)));
    }

    public IAsyncDisposable Watch(Action changed) => throw new NotSupportedException("Its loop is the world's.");

    /// <summary>Another hand changes a secret.</summary>
    public bool TamperWithSecret(int pick)
    {
        if (Secrets.Count == 0)
            return false;

        Secrets[Secrets.Keys.ElementAt(pick % Secrets.Count)] = ByHand;
        return true;
    }

    /// <summary>Another hand removes a component, or changes its value.</summary>
    public bool Tamper(int pick, bool remove)
    {
        if (Components.Count == 0)
            return false;

        var name = Components.Keys.ElementAt(pick % Components.Count);
        if (remove)
            Components.Remove(name);
        else
            Components[name] = (Components[name].Configuration, "byhand");
        return true;
    }
}

/// <summary>The Agent's process has died here. A cancellation, because nothing in the Agent handles one.</summary>
internal sealed class ProcessDiedException : OperationCanceledException;
