using System.Collections.Concurrent;
using Governor.Contracts;
using MassTransit;

namespace Governor.Director.Tests.Hosting;

/// <summary>Hears what the Director tells everybody, and what it gave up on.</summary>
internal sealed class Ear :
    IConsumer<RuntimeRegistered>, IConsumer<RuntimeSilent>, IConsumer<RolloutStarted>, IConsumer<WaveCompleted>,
    IConsumer<RolloutCompleted>, IConsumer<DriftDetected>, IConsumer<DriftCorrected>, IConsumer<DeadLettered>,
    IConsumer<CredentialVersionCurrent>, IConsumer<CredentialVersionRevocable>
{
    public const string Queue = "governor-test-ear";

    private readonly ConcurrentQueue<object> heard = new();

    public IEnumerable<T> Of<T>() => heard.OfType<T>();

    public Task Consume(ConsumeContext<RuntimeRegistered> context) => Hear(context.Message);

    public Task Consume(ConsumeContext<RuntimeSilent> context) => Hear(context.Message);

    public Task Consume(ConsumeContext<RolloutStarted> context) => Hear(context.Message);

    public Task Consume(ConsumeContext<WaveCompleted> context) => Hear(context.Message);

    public Task Consume(ConsumeContext<RolloutCompleted> context) => Hear(context.Message);

    public Task Consume(ConsumeContext<DriftDetected> context) => Hear(context.Message);

    public Task Consume(ConsumeContext<DriftCorrected> context) => Hear(context.Message);

    public Task Consume(ConsumeContext<DeadLettered> context) => Hear(context.Message);

    public Task Consume(ConsumeContext<CredentialVersionCurrent> context) => Hear(context.Message);

    public Task Consume(ConsumeContext<CredentialVersionRevocable> context) => Hear(context.Message);

    private Task Hear(object message)
    {
        heard.Enqueue(message);
        return Task.CompletedTask;
    }
}
