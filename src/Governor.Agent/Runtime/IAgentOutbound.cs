using Governor.Contracts;

namespace Governor.Agent.Runtime;

/// <summary>The edge to the bus: what an Agent says.</summary>
internal interface IAgentOutbound
{
    /// <summary>Publishes a report; returns when the broker has it.</summary>
    Task PublishAsync(RuntimeReported report, CancellationToken cancellationToken);

    /// <summary>Publishes an enrolment; returns when the broker has it.</summary>
    Task PublishAsync(AgentEnrolled enrolment, CancellationToken cancellationToken);
}
