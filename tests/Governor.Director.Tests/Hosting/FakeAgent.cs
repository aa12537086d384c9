using System.Collections.Concurrent;
using Governor.Contracts;
using Governor.Messaging.Sealing;
using MassTransit;

namespace Governor.Director.Tests.Hosting;

/// <summary>An Agent that does as a test tells it, without a runtime: what it would have written it remembers.</summary>
/// <remarks>Follows the protocol otherwise: keeps the newest, reports the whole after each message and when asked, enrols
/// when asked for its key.</remarks>
internal sealed class FakeAgent(string runtimeId) : IConsumer<ConfigurationUpdated>, IConsumer<CredentialRotated>, IConsumer<ReportRequested>
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, ReportedConfiguration> shown = new(StringComparer.Ordinal);
    private readonly Dictionary<string, CredentialSecrets> held = new(StringComparer.Ordinal);
    private string? leavesBehind;
    private long? unopened;
    private long epoch;
    private long number;
    private long generation;

    public string RuntimeId { get; } = runtimeId;

    public TimeSpan ReportInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Its key pair.</summary>
    public SealingKeyPair Key { get; set; } = SealingKeyPair.Create();

    /// <summary>Credentials whose new versions it cannot write: it keeps what it has.</summary>
    public HashSet<string> CannotWrite { get; } = new(StringComparer.Ordinal);

    /// <summary>What it makes of a configuration; applies it unless told otherwise.</summary>
    public Func<DesiredConfiguration, ReportedConfiguration> Applies { get; set; } = Applied;

    /// <summary>Whether it takes messages and says nothing, like a broken Agent.</summary>
    public bool IsMute { get; set; }

    /// <summary>Whether messages are lost on their way to it.</summary>
    public bool LosesMessages { get; set; }

    public ConcurrentQueue<ConfigurationUpdated> Updates { get; } = new();

    public ConcurrentQueue<CredentialRotated> Rotations { get; } = new();

    public ConcurrentQueue<ReportRequested> Requests { get; } = new();

    public ConfigurationUpdated Newest => Updates.MaxBy(u => u.Generation)!;

    public static ReportedConfiguration Applied(DesiredConfiguration wanted) =>
        new(wanted.Name, wanted.Digest, ApplyOutcome.Applied, wanted.Digest);

    /// <summary>Keeps what was there and says that the new content is wrong for this runtime.</summary>
    public void Rejects(string configuration, string reason = "foreign") => Refuses(configuration, ApplyOutcome.Rejected, reason);

    public void Fails(string configuration, string reason = "disk-full") => Refuses(configuration, ApplyOutcome.Failed, reason);

    /// <summary>Cannot remove what it holds of a configuration that it is sent no more.</summary>
    public void LeavesBehind(string configuration) => leavesBehind = configuration;

    public void AppliesAgain() => (Applies, leavesBehind) = (Applied, null);

    public async Task Consume(ConsumeContext<ConfigurationUpdated> context)
    {
        Assert.Equal(RuntimeId, context.Message.RuntimeId);
        Assert.Equal(RuntimeId, context.RoutingKey());
        if (LosesMessages)
            return;

        Updates.Enqueue(context.Message);
        if (!IsMute)
            await context.Publish(Handle(context.Message));
    }

    public async Task Consume(ConsumeContext<CredentialRotated> context)
    {
        var message = context.Message;
        Assert.Equal(RuntimeId, message.RuntimeId);
        Assert.Equal(RuntimeId, context.RoutingKey());
        if (LosesMessages)
            return;

        Rotations.Enqueue(message);
        var update = new ConfigurationUpdated(message.RuntimeId, message.Generation, message.Desired, message.RolloutId);
        Updates.Enqueue(update);
        if (!IsMute)
            await context.Publish(Handle(update));
    }

    public async Task Consume(ConsumeContext<ReportRequested> context)
    {
        Assert.Equal(RuntimeId, context.Message.RuntimeId);
        Requests.Enqueue(context.Message);
        if (IsMute)
            return;

        if (context.Message.Enrol)
            await context.Publish(Enrolment(start: false));
        lock (gate)
            epoch = Math.Max(epoch, context.Message.Epoch);
        await context.Publish(Report());
    }

    /// <summary>What another hand made of the content; null if nothing of it is left.</summary>
    public void IsTampered(string configuration, string? digest)
    {
        lock (gate)
            shown[configuration] = shown[configuration] with { Digest = digest };
    }

    /// <summary>A new report of what is there.</summary>
    public RuntimeReported Report()
    {
        lock (gate)
        {
            return new RuntimeReported(RuntimeId, epoch, ++number, generation, ReportInterval,
                new DateTimeOffset(2031, 5, 1, 12, 0, 0, TimeSpan.Zero), [.. shown.Values],
                [.. held.Values.Select(h => new ReportedCredential(h.Name, h.VersionId))], Key.PublicKey.Kid, unopened);
        }
    }

    /// <summary>An entry of a credential as it would lie in the runtime; null if it is not there.</summary>
    public string? Secret(string credential, string entry)
    {
        lock (gate)
            return held.GetValueOrDefault(credential)?.Entries.GetValueOrDefault(entry);
    }

    public AgentEnrolled Enrolment(bool start = true, string kind = Fleet.Kind) =>
        new(RuntimeId, kind, "instance", Key.PublicKey, ReportInterval, "1.0.0", start);

    private void Refuses(string configuration, ApplyOutcome outcome, string reason) => Applies = wanted =>
        wanted.Name != configuration ? Applied(wanted) : new ReportedConfiguration(
            wanted.Name, shown.GetValueOrDefault(wanted.Name)?.Digest, outcome, wanted.Digest, reason, $"It says {reason}.");

    /// <summary>The secrets of a message: none if it has none, null if they cannot be opened.</summary>
    private IReadOnlyList<CredentialSecrets>? Open(ConfigurationUpdated update) => update.Desired.Secrets is not { } secrets
        ? [] : RuntimeSecrets.Open(secrets, RuntimeId, update.Generation, Key);

    /// <summary>Applies a message as an Agent does, and says what is there then.</summary>
    public RuntimeReported Handle(ConfigurationUpdated update)
    {
        lock (gate)
        {
            var secrets = Open(update);
            if (update.Generation >= generation && secrets is null)
            {
                unopened = update.Generation;
            }
            else if (update.Generation >= generation)
            {
                (generation, unopened) = (update.Generation, null);
                foreach (var gone in held.Keys.Where(name => secrets!.All(s => s.Name != name)).ToList())
                    held.Remove(gone);
                foreach (var secret in secrets!.Where(s => !CannotWrite.Contains(s.Name)))
                    held[secret.Name] = secret;
                var outcomes = update.Desired.Configurations.Select(Applies).ToList();
                if (leavesBehind is not null && outcomes.TrueForAll(o => o.Name != leavesBehind)
                    && shown.TryGetValue(leavesBehind, out var left))
                {
                    outcomes.Add(left with { Outcome = ApplyOutcome.Failed, OutcomeDigest = null, Reason = "io-error" });
                }

                shown.Clear();
                foreach (var outcome in outcomes)
                    shown[outcome.Name] = outcome;
            }
        }

        return Report();
    }
}

/// <summary>Looks at what an Agent was sent.</summary>
internal static class Sent
{
    public static IEnumerable<string> Configurations(this ConfigurationUpdated update) =>
        update.Desired.Configurations.Select(c => c.Name);

    /// <summary>The host that the configuration's component points at, and whether that is shadowed.</summary>
    public static (string Host, bool Shadowed) Store(this ConfigurationUpdated update, string configuration)
    {
        var component = update.Desired.Configurations.Single(c => c.Name == configuration).Components[0];
        return (component.Metadata[0].Value!.Value.GetString()!, component.Shadowed);
    }
}
