using Governor.Contracts;
using Governor.Director.Drift;

namespace Governor.Survival.Tests;

/// <summary>A rollout by what it rolls out, and how many of the same there were before: a rollback of a rotation brings the
/// current version again.</summary>
internal readonly record struct RolloutKey(string Item, int Revision, int Nth = 0)
{
    public override string ToString() => $"{Item}/{Revision}{(Nth > 0 ? $"#{Nth}" : "")}";
}

/// <summary>What a Director sends. Its text says all of it, so that two Directors can be compared by it.</summary>
internal abstract record Mail;

/// <summary>Everything that a runtime should hold.</summary>
/// <param name="RuntimeId">The runtime.</param>
/// <param name="Generation">Orders the messages to it.</param>
/// <param name="Desired">What it should hold, without the secrets.</param>
/// <param name="Kid">To which key the secrets are sealed; null if it needs none.</param>
internal sealed record Whole(string RuntimeId, long Generation, DesiredState Desired, string? Kid) : Mail
{
    public override string ToString() => $"Whole {RuntimeId} g{Generation} " + string.Join(' ', Desired.Configurations.Select(c =>
        $"{c.Name}@{c.Revision}[{c.Digest[..6]}]{{{string.Join(' ', c.Components.Select(p => $"{p.Name}={Content.ValueOf(p)}{(p.Shadowed ? "!" : "")}"))}}}"))
        + string.Concat(Desired.Credentials.Select(c => $" {c.Name}@{c.Version}={c.VersionId}")) + (Kid is null ? "" : $" to key {Fleet.FleetKeys.IndexOf(Kid)}");
}

/// <summary>Nobody may hold a version any more.</summary>
internal sealed record Revocable(string Credential, int Version, string VersionId) : Mail;

/// <summary>A request for a report.</summary>
internal sealed record Ask(string RuntimeId, long Epoch, bool Enrol) : Mail;

/// <summary>A hint to a rollout's saga.</summary>
/// <param name="Rollout">The rollout.</param>
/// <param name="Kind">Which of its messages.</param>
/// <param name="Action">Number of the action, counted over the history, where the hint is one.</param>
internal sealed record Hint(RolloutKey Rollout, HintKind Kind, int? Action = null) : Mail;

internal enum HintKind
{
    Planned = 0,
    Next = 1,
    Progressed = 2,
    Due = 3,
    Action = 4,
}

/// <summary>Make a runtime's queue and bindings.</summary>
internal sealed record Provision(string RuntimeId) : Mail;

/// <summary>Remove a runtime's queue.</summary>
internal sealed record Deprovision(string RuntimeId) : Mail;

/// <summary>From an Agent: it has started, or nothing is delivered to it.</summary>
internal sealed record Enrolment(string RuntimeId, bool Start, AgentPublicKey Key) : Mail
{
    public override string ToString() => $"Enrolment {RuntimeId}{(Start ? " at a start" : "")} with key {Fleet.FleetKeys.IndexOf(Key.Kid)}";
}

/// <summary>From the broker: a message found no queue.</summary>
internal sealed record Undeliverable(string RuntimeId, long Generation) : Mail;

/// <summary>A Director: each method is one transaction, the drift run several; each returns what was sent.</summary>
internal interface IDirector
{
    /// <summary>Accepts a new content; null takes the configuration from every runtime.</summary>
    IReadOnlyList<Mail> Change(string configuration, Content? content, Policy policy);

    /// <summary>Registers a runtime, or gives it another label.</summary>
    IReadOnlyList<Mail> Register(string runtimeId, string region);

    IReadOnlyList<Mail> Deregister(string runtimeId, bool force);

    /// <summary>Accepts a new version of a credential.</summary>
    IReadOnlyList<Mail> Rotate(string credential, Policy policy);

    /// <summary>An operator trusts the key that a runtime's Agent shows instead of the pinned one.</summary>
    IReadOnlyList<Mail> TrustKey(string runtimeId, string kid);

    IReadOnlyList<Mail> RequestAction(RolloutKey rollout, string action);

    /// <summary>The saga's step.</summary>
    IReadOnlyList<Mail> Handle(Hint hint);

    /// <summary>Records a batch of reports. Hints to sagas among what is returned go out after the commit.</summary>
    IReadOnlyList<Mail> Record(IReadOnlyList<RuntimeReported> batch);

    IReadOnlyList<Mail> Enrol(Enrolment enrolment);

    IReadOnlyList<Mail> Provision(string runtimeId);

    IReadOnlyList<Mail> TakeBack(Undeliverable message);

    /// <summary>Claims the rollouts that are due.</summary>
    IReadOnlyList<Mail> Tick();

    /// <param name="mode">What is done about drift.</param>
    /// <param name="isBrokerMarked">Whether the broker has its mark, or was wiped.</param>
    IReadOnlyList<Mail> RunDrift(DriftMode mode, bool isBrokerMarked);

    /// <summary>Directors are up again after a gap: silence counts anew.</summary>
    void ListenAgain();

    /// <summary>Makes a backup of the database, instead of the last one.</summary>
    void BackUp();

    /// <summary>The Directors stop, the backup is restored, an operator says so, and others start.</summary>
    void Restore();

    /// <summary>All tables that the protocol is about, as text.</summary>
    string Dump();
}
