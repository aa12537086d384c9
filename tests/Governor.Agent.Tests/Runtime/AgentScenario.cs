using Governor.Agent.Runtime;
using Governor.Contracts;
using Governor.Messaging.Sealing;
using Microsoft.Extensions.Time.Testing;

namespace Governor.Agent.Tests.Runtime;

/// <summary>One Agent on a clock that a test turns, without a bus.</summary>
public abstract class AgentScenario : IAsyncLifetime
{
    private protected static readonly SealingKeyPair Key = SealingKeyPair.Create();

    private protected AgentScenario()
    {
        Agent = new RuntimeAgent(
            new AgentOptions { RuntimeId = "eu-1", Kind = "standalone-kyma", ResourcesPath = "unused", StatePath = "unused" },
            Key, Applier, Outbound, Clock, () => 0.5, Log);
    }

    private protected RecordingLogger<RuntimeAgent> Log { get; } = new();

    private protected FakeTimeProvider Clock { get; } = new();

    private protected FakeApplier Applier { get; } = new();

    private protected RecordingOutbound Outbound { get; } = new();

    private protected RuntimeAgent Agent { get; }

    private protected RuntimeReported LastReport => Outbound.Reports.Last();

    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await Agent.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected static AgentMessage Whole(long generation, params DesiredConfiguration[] configurations) =>
        AgentMessage.From(new ConfigurationUpdated("eu-1", generation, Desired.State(configurations)));

    private protected static AgentMessage Asked(long epoch, bool enrol = false) =>
        AgentMessage.From(new ReportRequested("eu-1", epoch, enrol));
}
