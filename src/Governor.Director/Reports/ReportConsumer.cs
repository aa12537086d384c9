using Governor.Contracts;
using MassTransit;

namespace Governor.Director.Reports;

/// <summary>Takes reports in batches. A batch commits first and then tells the sagas: what is lost in between is a hint, and
/// the drift job looks after rollouts that went quiet.</summary>
internal sealed class ReportConsumer(IServiceScopeFactory scopes) : IConsumer<Batch<RuntimeReported>>
{
    /// <summary>Name of the queue.</summary>
    public const string Queue = "governor-reports";

    public async Task Consume(ConsumeContext<Batch<RuntimeReported>> context)
    {
        // A scope of its own: what the recorder sends goes through the outbox of its transaction, not through the context
        // of the batch, which has none.
        await using var scope = scopes.CreateAsyncScope();
        var progressed = await scope.ServiceProvider.GetRequiredService<ReportRecorder>()
            .RecordAsync([.. context.Message.Select(m => m.Message)], context.CancellationToken);
        await context.PublishBatch(progressed.Select(id => new TargetsProgressed(id)), context.CancellationToken);
    }
}
