using Governor.Contracts;

namespace Governor.Agent.Runtime;

/// <summary>A message to an Agent, without the cause that its name tells.</summary>
/// <param name="Generation">Its generation, when it carries a desired state; else 0, which is below every one.</param>
/// <param name="Desired">What the runtime should hold, when the message says so.</param>
/// <param name="Epoch">Epoch for the reports to come, when a report is asked for; else 0.</param>
/// <param name="Enrol">Whether the Director asks for the Agent's key again.</param>
internal sealed record AgentMessage(long Generation = 0, DesiredState? Desired = null, long Epoch = 0, bool Enrol = false)
{
    internal static AgentMessage From(ConfigurationUpdated message) => new(message.Generation, message.Desired);

    internal static AgentMessage From(CredentialRotated message) => new(message.Generation, message.Desired);

    internal static AgentMessage From(ReportRequested message) => new(Epoch: message.Epoch, Enrol: message.Enrol);
}
