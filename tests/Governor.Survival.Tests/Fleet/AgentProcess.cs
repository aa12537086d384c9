using Governor.Agent;
using Governor.Agent.Runtime;
using Governor.Contracts;
using Governor.Messaging.Sealing;
using Governor.Survival.Tests.Model;
using Microsoft.Extensions.Logging.Abstractions;

namespace Governor.Survival.Tests.Fleet;

/// <summary>The Agent of one runtime: its message handler as it is, called with each batch as the consumer's loop does. A
/// start is a new process without memory; what is in the runtime stays.</summary>
internal sealed class AgentProcess : IAgentOutbound
{
    /// <summary>Seconds between two reports.</summary>
    public const int ReportInterval = 10;

    private readonly string runtimeId;
    private readonly IRuntimeApplier applier;
    private readonly TimeProvider clock;
    private readonly Action<RuntimeReported> say;
    private readonly Action<Enrolment> enrol;
    private readonly Rule? off;
    private RuntimeVoice voice = null!;
    private MessageHandler handler = null!;
    private bool isHandling;

    public AgentProcess(string runtimeId, RuntimeInMemory runtime, TimeProvider clock, Action<RuntimeReported> say,
        Action<Enrolment> enrol, Rule? off)
    {
        (this.runtimeId, this.clock, this.say, this.enrol, this.off) = (runtimeId, clock, say, enrol, off);
        Runtime = runtime;
        applier = off is Rule.AgentIgnoresLowerGenerations or Rule.TheGenerationIsAMarkInTheRuntime ? new Forgetful(runtime) : runtime;
        Start();
    }

    public RuntimeInMemory Runtime { get; }

    /// <summary>Since when it is down, and until when; null while it is up.</summary>
    public long? DownUntil { get; set; }

    public bool IsUp => DownUntil is null;

    /// <summary>What others seal its secrets to.</summary>
    public SealingKeyPair Key { get; private set; } = FleetKeys.First;

    /// <summary>Whether something was delivered to it since its last connection: then it reports, else it enrols.</summary>
    public bool IsActive { get; private set; }

    /// <summary>Where it dies the next time that it handles messages.</summary>
    public Death? Dies { get; set; }

    /// <summary>Starts a new process.</summary>
    public void Start()
    {
        var options = new AgentOptions
        {
            RuntimeId = runtimeId, Kind = "standalone-kyma", ReportInterval = TimeSpan.FromSeconds(ReportInterval),
        };
        voice = new RuntimeVoice(options, Key.PublicKey, applier, this, clock);
        handler = new MessageHandler(runtimeId, Key, applier, voice, NullLogger.Instance);
        DownUntil = null;
        Connect();
    }

    /// <summary>Its state is gone, and with it its key: the next process makes another one.</summary>
    public void LoseKey()
    {
        Key = FleetKeys.After(Key);
        if (IsUp)
            Start();
    }

    /// <summary>A new connection: it says who it is, and is silent until something is delivered.</summary>
    public void Connect()
    {
        IsActive = false;
        voice.Reconnected();
        Complete(voice.EnrolAsync(CancellationToken.None));
    }

    /// <summary>What its timer does.</summary>
    public void Tick() =>
        Complete(IsActive ? voice.ReportAsync(CancellationToken.None) : voice.EnrolAsync(CancellationToken.None));

    /// <summary>Handles what was delivered.</summary>
    /// <returns>Whether the batch is acknowledged; if not, the process has died, and another one must be started.</returns>
    public bool Handle(IReadOnlyList<Mail> batch)
    {
        IsActive = true;
        var newest = batch.OfType<Whole>().MaxBy(w => w.Generation);
        var messages = batch.Select(mail => ToMessage(mail, isSealed: mail == newest || off == Rule.AgentTakesTheHighestOfABatch)).ToList();
        if (off == Rule.AgentIgnoresLowerGenerations)
            voice.Generation = 0;
        if (off == Rule.AgentTakesTheHighestOfABatch && messages.FindLast(m => m.Desired is not null) is { } last)
            messages.RemoveAll(m => m.Desired is not null && m != last);
        Runtime.DiesAfter = Dies == Death.WhileItApplies ? 1 : null;
        isHandling = true;
        try
        {
            Complete(handler.HandleAsync(messages, CancellationToken.None));
            return Dies != Death.BeforeItAcknowledges;
        }
        catch (Exception e) when (e is ProcessDiedException or UnpublishedException { InnerException: ProcessDiedException })
        {
            return false;
        }
        finally
        {
            (Dies, Runtime.DiesAfter, isHandling) = (null, null, false);
        }
    }

    Task IAgentOutbound.PublishAsync(RuntimeReported report, CancellationToken cancellationToken)
    {
        if (isHandling && Dies == Death.BeforeItReports)
            throw new ProcessDiedException();

        say(report);
        return Task.CompletedTask;
    }

    Task IAgentOutbound.PublishAsync(AgentEnrolled enrolment, CancellationToken cancellationToken)
    {
        enrol(new Enrolment(runtimeId, enrolment.Start, enrolment.PublicKey));
        return Task.CompletedTask;
    }

    /// <param name="mail">What was delivered.</param>
    /// <param name="isSealed">Whether the secrets are in it; only the newest is looked into, and sealing is costly.</param>
    private static AgentMessage ToMessage(Mail mail, bool isSealed) => mail switch
    {
        Whole whole => AgentMessage.From(new ConfigurationUpdated(
            whole.RuntimeId, whole.Generation, isSealed ? FleetKeys.Seal(whole) : whole.Desired)),
        Ask ask => AgentMessage.From(new ReportRequested(ask.RuntimeId, ask.Epoch, ask.Enrol)),
        _ => throw new ArgumentException($"{mail} is not for an Agent.", nameof(mail)),
    };

    /// <summary>Nothing in this world waits: what has not ended has hung.</summary>
    private static void Complete(Task task)
    {
        Assert.True(task.IsCompleted);
        task.GetAwaiter().GetResult();
    }

    /// <summary>A runtime that does not tell which generation it handled last.</summary>
    private sealed class Forgetful(RuntimeInMemory runtime) : IRuntimeApplier
    {
        public long HandledGeneration => 0;

        public Task ApplyAsync(long generation, DesiredState desired, IReadOnlyList<CredentialSecrets> secrets, CancellationToken cancellationToken) =>
            runtime.ApplyAsync(generation, desired, secrets, cancellationToken);

        public RuntimeObservation Observe() => runtime.Observe() with { Generation = 0 };

        public IAsyncDisposable Watch(Action changed) => runtime.Watch(changed);
    }
}
