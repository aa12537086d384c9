using System.Collections.Concurrent;
using Governor.Agent.Runtime;
using Governor.Contracts;

namespace Governor.Agent.Tests.Runtime;

/// <summary>A broker that keeps what it is given; one that is down takes nothing and answers nothing.</summary>
internal sealed class RecordingOutbound : IAgentOutbound
{
    private readonly ConcurrentQueue<RuntimeReported> _reports = new();
    private readonly ConcurrentQueue<AgentEnrolled> _enrolments = new();

    internal IReadOnlyCollection<RuntimeReported> Reports => _reports;

    internal IReadOnlyCollection<AgentEnrolled> Enrolments => _enrolments;

    internal volatile bool IsDown;

    internal int Tries;

    public Task PublishAsync(RuntimeReported report, CancellationToken cancellationToken) => TakeAsync(_reports, report, cancellationToken);

    public Task PublishAsync(AgentEnrolled enrolment, CancellationToken cancellationToken) => TakeAsync(_enrolments, enrolment, cancellationToken);

    private Task TakeAsync<T>(ConcurrentQueue<T> queue, T message, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref Tries);
        if (IsDown)
            return Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        queue.Enqueue(message);
        return Task.CompletedTask;
    }
}
