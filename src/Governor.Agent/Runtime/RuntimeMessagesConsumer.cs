using Governor.Contracts;
using MassTransit;

namespace Governor.Agent.Runtime;

/// <summary>Hands everything from a runtime's queue to its Agent's loop. A message is acknowledged when it was applied and
/// reported, whichever message of the batch it was.</summary>
internal sealed class RuntimeMessagesConsumer(RuntimeAgent agent) :
    IConsumer<ConfigurationUpdated>, IConsumer<CredentialRotated>, IConsumer<ReportRequested>
{
    public Task Consume(ConsumeContext<ConfigurationUpdated> context) =>
        DeliverAsync(context, context.Message.RuntimeId, AgentMessage.From(context.Message));

    public Task Consume(ConsumeContext<CredentialRotated> context) =>
        DeliverAsync(context, context.Message.RuntimeId, AgentMessage.From(context.Message));

    public Task Consume(ConsumeContext<ReportRequested> context) =>
        DeliverAsync(context, context.Message.RuntimeId, AgentMessage.From(context.Message));

    private Task DeliverAsync(ConsumeContext context, string runtimeId, AgentMessage message)
    {
        // Applying another runtime's content would be worse than a dead letter.
        if (runtimeId != agent.RuntimeId)
            throw new InvalidOperationException($"A message for runtime '{runtimeId}' is in the queue of '{agent.RuntimeId}'; check the queue's bindings.");
        return agent.DeliverAsync(message, context.CancellationToken);
    }
}
