using System.Data;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Benchmarks;

/// <summary>Events that wait in a queue for a saga under row locks: after some to warm up, until the last was handled.</summary>
internal sealed class SagaCases : CaseGroup
{
    private const string Queue = "counters";
    private const int WarmUp = 3_000;
    private const int AtOnce = 8;
    private const int Many = 15_000;
    private const int One = 6_000;

    private readonly Servers _servers;
    private readonly Guid[] _ids = [.. Enumerable.Range(0, 100).Select(_ => Guid.NewGuid())];

    public SagaCases(Servers servers)
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
            await Task.WhenAll(Enumerable.Range(0, WarmUp + count).Select(
                i => endpoint.Send(new Counted(ids[Random.Shared.Next(ids.Length)], "once more"), cancellationToken)));
        }

        var handled = new Tally();
        var timed = handled.TimeAsync(WarmUp, count);
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
                endpoint.UseFilter(new Counting(handled));
                endpoint.ConfigureSaga<Counter>(context);
            }));
        var elapsed = await timed;
        return Baselines.Rate(count, elapsed);
    }

    /// <summary>Counts messages whose transactions are over.</summary>
    private sealed class Counting(Tally tally) : IFilter<ConsumeContext>
    {
        public async Task Send(ConsumeContext context, IPipe<ConsumeContext> next)
        {
            await next.Send(context);
            tally.Add();
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("counting");
    }
}
