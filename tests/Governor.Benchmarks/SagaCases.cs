using System.Data;
using System.Diagnostics;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Benchmarks;

/// <summary>Events that wait in a queue for a saga under row locks: from the first to the last that was handled.</summary>
internal sealed class SagaCases : CaseGroup
{
    private const string Queue = "counters";
    private const int AtOnce = 8;
    private const int Many = 4_000;
    private const int One = 2_000;

    private readonly Servers _servers;
    private readonly Guid[] _ids = [.. Enumerable.Range(0, 100).Select(_ => Guid.NewGuid())];

    private SagaCases(Servers servers)
    {
        _servers = servers;
        Cases =
        [
            new("lock-100", "/s", ct => Baselines.LockAsync(servers, AtOnce, Many, _ids, ct)),
            new("saga-100", "/s", ct => RunAsync(Many, _ids, ct), "lock-100", 0.6, "≥ 1,500"),
            new("lock-1", "/s", ct => Baselines.LockAsync(servers, AtOnce, One, _ids[..1], ct)),
            new("saga-1", "/s", ct => RunAsync(One, _ids[..1], ct), "lock-1", 0.6, "≥ 700"),
        ];
    }

    public override IReadOnlyList<Case> Cases { get; }

    public static Task<CaseGroup> OpenAsync(Servers servers) => Task.FromResult<CaseGroup>(new SagaCases(servers));

    public override async Task PrepareAsync()
    {
        await using var context = new BenchmarkDbContext(
            new DbContextOptionsBuilder<BenchmarkDbContext>().UseNpgsql(_servers.ConnectionString).Options);
        context.AddRange(_ids.Select(id => new Counter { CorrelationId = id, Text = Payload.Body }));
        await context.SaveChangesAsync();
    }

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task<double> RunAsync(int count, Guid[] ids, CancellationToken cancellationToken)
    {
        await Queues.PurgeAsync(_servers, Queue, cancellationToken);
        await using (var filler = await BenchmarkHost.StartAsync(_servers, delivers: false))
        {
            var endpoint = await filler.Bus.GetSendEndpoint(new Uri($"queue:{Queue}"));
            await Task.WhenAll(Enumerable.Range(0, count).Select(
                i => endpoint.Send(new Counted(ids[Random.Shared.Next(ids.Length)], "once more"), cancellationToken)));
        }

        long started = 0;
        var handled = new ConsumeTally();
        var reached = handled.Tally.CountTo(count);
        await using var host = await BenchmarkHost.StartAsync(_servers,
            bus => bus.AddSagaStateMachine<CounterStateMachine, Counter>().EntityFrameworkRepository(repository =>
            {
                repository.ConcurrencyMode = ConcurrencyMode.Pessimistic;
                repository.IsolationLevel = IsolationLevel.ReadCommitted;
                repository.ExistingDbContext<BenchmarkDbContext>();
                repository.UsePostgres();
            }),
            (context, bus) => bus.ReceiveEndpoint(Queue, endpoint =>
            {
                endpoint.PrefetchCount = 4 * AtOnce;
                endpoint.ConcurrentMessageLimit = AtOnce;
                endpoint.UseExecute(_ => Interlocked.CompareExchange(ref started, Stopwatch.GetTimestamp(), 0));
                endpoint.ConfigureSaga<Counter>(context);
                endpoint.ConnectReceiveEndpointObserver(new Connector(handled));
            }));
        return Baselines.Rate(count, Stopwatch.GetElapsedTime(started, await reached.WaitAsync(TimeSpan.FromMinutes(2), cancellationToken)));
    }

    /// <summary>Counts messages whose transactions are over.</summary>
    private sealed class ConsumeTally : IReceiveObserver
    {
        public Tally Tally { get; } = new();

        public Task PreReceive(ReceiveContext context) => Task.CompletedTask;

        public Task PostReceive(ReceiveContext context)
        {
            Tally.Add();
            return Task.CompletedTask;
        }

        public Task PostConsume<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType) where T : class => Task.CompletedTask;

        public Task ConsumeFault<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType, Exception exception) where T : class =>
            Task.CompletedTask;

        public Task ReceiveFault(ReceiveContext context, Exception exception) => Task.CompletedTask;
    }

    private sealed class Connector(ConsumeTally tally) : IReceiveEndpointObserver
    {
        public Task Ready(ReceiveEndpointReady ready)
        {
            ready.ReceiveEndpoint.ConnectReceiveObserver(tally);
            return Task.CompletedTask;
        }

        public Task Stopping(ReceiveEndpointStopping stopping) => Task.CompletedTask;

        public Task Completed(ReceiveEndpointCompleted completed) => Task.CompletedTask;

        public Task Faulted(ReceiveEndpointFaulted faulted) => Task.CompletedTask;
    }
}
