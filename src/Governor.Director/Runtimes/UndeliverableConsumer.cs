using Governor.Contracts;
using Governor.Messaging;
using MassTransit;

namespace Governor.Director.Runtimes;

/// <summary>Takes what was published for a runtime without a queue: its queue and bindings are made again. The message itself
/// is not needed; the drift job sends the runtime the whole once the deadline is over.</summary>
internal sealed partial class UndeliverableConsumer(ILogger<UndeliverableConsumer> logger) :
    IConsumer<ConfigurationUpdated>, IConsumer<CredentialRotated>, IConsumer<ReportRequested>
{
    /// <summary>Name of the queue, behind the alternate exchange.</summary>
    public const string Queue = Topology.Undeliverable;

    public Task Consume(ConsumeContext<ConfigurationUpdated> context) => ProvisionAsync(context, context.Message.RuntimeId);

    public Task Consume(ConsumeContext<CredentialRotated> context) => ProvisionAsync(context, context.Message.RuntimeId);

    public Task Consume(ConsumeContext<ReportRequested> context) => ProvisionAsync(context, context.Message.RuntimeId);

    private Task ProvisionAsync(ConsumeContext context, string runtimeId)
    {
        LogUndeliverable(runtimeId);
        return context.Publish(new ProvisionRuntimes([runtimeId]), context.CancellationToken);
    }

    [LoggerMessage(2305, LogLevel.Warning, "A message for runtime {RuntimeId} found no queue; its queue and bindings are made again")]
    private partial void LogUndeliverable(string runtimeId);
}
