using Governor.Contracts;

namespace Governor.IntegrationTests;

/// <summary>One runtime of a <see cref="SimulatedFleet"/>: what it was told, what it shows, and how it is to answer.</summary>
internal sealed class SimulatedAgent(string runtimeId, AgentPublicKey key, TimeSpan reportInterval)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, ReportedConfiguration> shown = new(StringComparer.Ordinal);
    private readonly List<long> received = [];
    private long epoch;
    private long number;
    private long generation;
    private DesiredState? desired;

    /// <summary>The runtime's id.</summary>
    public string RuntimeId => runtimeId;

    /// <summary>How it answers a configuration whose content is new to it; applied by default.</summary>
    public Func<DesiredConfiguration, ApplyOutcome> Outcome { get; set; } = _ => ApplyOutcome.Applied;

    /// <summary>While set, it takes its messages and says nothing.</summary>
    public bool Silent { get; set; }

    /// <summary>The epoch that it stamps its reports with.</summary>
    public long Epoch => Read(() => epoch);

    /// <summary>Reports made until now.</summary>
    public long Number => Read(() => number);

    /// <summary>Generation of the newest message handled.</summary>
    public long Generation => Read(() => generation);

    /// <summary>What the newest message says that it should hold; null before the first.</summary>
    public DesiredState? Desired => Read(() => desired);

    /// <summary>The generations received, in their order of arrival, repeats and late ones included.</summary>
    public IReadOnlyList<long> Received => Read(() => received.ToArray());

    /// <summary>Pretends that another hand changed what the runtime shows of a configuration; null removes it.</summary>
    public void Tamper(string configuration, string? digest)
    {
        lock (gate)
            shown[configuration] = shown[configuration] with { Digest = digest };
    }

    /// <summary>Takes a message with the whole of what the runtime should hold.</summary>
    public void Handle(long newGeneration, DesiredState newDesired)
    {
        lock (gate)
        {
            received.Add(newGeneration);
            if (newGeneration < generation)
                return; // too late: the answer is what is there
            (generation, desired) = (newGeneration, newDesired);
            var kept = newDesired.Configurations.Select(c => c.Name).ToHashSet(StringComparer.Ordinal);
            foreach (var name in shown.Keys.Except(kept).ToList())
                shown.Remove(name);
            foreach (var configuration in newDesired.Configurations)
                shown[configuration.Name] = Apply(configuration, shown.GetValueOrDefault(configuration.Name));
        }
    }

    /// <summary>Takes the epoch that the Director gives.</summary>
    public void Handle(ReportRequested request)
    {
        lock (gate)
            epoch = Math.Max(epoch, request.Epoch);
    }

    /// <summary>The next report.</summary>
    public RuntimeReported Report(DateTimeOffset now)
    {
        lock (gate)
        {
            return new RuntimeReported(
                runtimeId, epoch, ++number, generation, reportInterval, now,
                [.. shown.Values],
                [.. (desired?.Credentials ?? []).Select(c => new ReportedCredential(c.Name, c.VersionId))],
                key.Kid);
        }
    }

    /// <summary>The message by which it makes itself known.</summary>
    public AgentEnrolled Enrol(bool start) =>
        new(runtimeId, "standalone-kyma", $"simulated-{runtimeId}", key, reportInterval, "simulated", start);

    private ReportedConfiguration Apply(DesiredConfiguration configuration, ReportedConfiguration? before)
    {
        var outcome = before?.Digest == configuration.Digest ? ApplyOutcome.Applied : Outcome(configuration);
        // What is refused or fails leaves the last good content in place.
        return outcome is ApplyOutcome.Applied
            ? new ReportedConfiguration(configuration.Name, configuration.Digest, outcome, configuration.Digest)
            : new ReportedConfiguration(
                configuration.Name, before?.Digest, outcome, configuration.Digest, "simulated", "The simulated Agent was told to answer so.");
    }

    private T Read<T>(Func<T> value)
    {
        lock (gate)
            return value();
    }
}
