using MassTransit;

namespace Governor.Agent.Runtime;

/// <summary>Lets a message that the Agent could not finish with go back to its queue.</summary>
/// <remarks>MassTransit takes a consumer that cancels of its own accord for a fault, which would make the message a dead
/// letter. A plain cancellation passes the error pipe by, and the broker takes the message back.</remarks>
internal sealed class GiveBackFilter : IFilter<ConsumeContext>
{
    public async Task Send(ConsumeContext context, IPipe<ConsumeContext> next)
    {
        try
        {
            await next.Send(context);
        }
        catch (ConsumerCanceledException e)
        {
            throw new OperationCanceledException(e.Message, e);
        }
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("governor-give-back");
}
