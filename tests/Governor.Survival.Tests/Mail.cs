using Governor.Contracts;
using Governor.Director.Drift;

namespace Governor.Survival.Tests;

/// <summary>A rollout by what it rolls out: there is one per revision.</summary>
internal readonly record struct RolloutKey(string Configuration, int Revision)
{
    public override string ToString() => $"{Configuration}/{Revision}";
}

/// <summary>What a Director sends. Its text says all of it, so that two Directors can be compared by it.</summary>
internal abstract record Mail;

/// <summary>Everything that a runtime should hold.</summary>
internal sealed record Whole(string RuntimeId, long Generation, DesiredState Desired) : Mail
{
    public override string ToString() => $"Whole {RuntimeId} g{Generation} " + string.Join(' ', Desired.Configurations.Select(c =>
        $"{c.Name}@{c.Revision}[{c.Digest[..6]}]{{{string.Join(' ', c.Components.Select(p => $"{p.Name}={Content.ValueOf(p)}{(p.Shadowed ? "!" : "")}"))}}}"));
}

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
internal sealed record Enrolment(string RuntimeId, bool Start, AgentPublicKey Key) : Mail;

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

    /// <summary>All tables that the protocol is about, as text.</summary>
    string Dump();
}
