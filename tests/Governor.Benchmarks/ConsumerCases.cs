using MassTransit;

namespace Governor.Benchmarks;

/// <summary>Messages that wait in a queue for a consumer that sends one message for each: after some to warm up, until the last confirm.</summary>
internal sealed class ConsumerCases : CaseGroup
{
    private const string Queue = "work";
    private const int Count = 10_000;
    private const int WarmUp = 3_000;
    private const int AtOnce = 32;

    private readonly Servers _servers;

    public ConsumerCases(Servers servers)
    {
        _servers = servers;
        Cases =
        [
            new("consumer", "/s", ct => RunAsync(outbox: false, ct), Orientation: "2,445"),
            new("consumer-inbox", "/s", ct => RunAsync(outbox: true, ct), "consumer", 0.4, "≥ 900"),
        ];
    }

    public override IReadOnlyList<Case> Cases { get; }

    public override Task PrepareAsync() => Task.CompletedTask;

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task<double> RunAsync(bool outbox, CancellationToken cancellationToken)
    {
        await Backlog.ExecuteAsync(_servers, "TRUNCATE \"OutboxMessage\", \"OutboxState\", \"InboxState\"", cancellationToken);
        await Queues.PurgeAsync(_servers, "sink", cancellationToken);
        await Queues.PurgeAsync(_servers, Queue, cancellationToken);
        await using (var filler = await BenchmarkHost.StartAsync(_servers, delivers: false))
            await Baselines.SendAsync(filler, new Uri($"queue:{Queue}"), WarmUp + Count, cancellationToken);

        var all = new Tally();
        var timed = all.TimeAsync(WarmUp, Count);
        await using var host = await BenchmarkHost.StartAsync(_servers,
            bus => bus.AddConsumer<PayloadConsumer>(),
            (context, bus) => bus.ReceiveEndpoint(Queue, endpoint =>
            {
                endpoint.PrefetchCount = 2 * AtOnce;
                endpoint.ConcurrentMessageLimit = AtOnce;
                if (outbox)
                    endpoint.UseEntityFrameworkOutbox<BenchmarkDbContext>(context);
                endpoint.ConfigureConsumer<PayloadConsumer>(context);
            }), confirmed: all);
        var elapsed = await timed;
        await host.DrainAsync(cancellationToken);
        return Baselines.Rate(Count, elapsed);
    }

    private sealed class PayloadConsumer : IConsumer<Payload>
    {
        public async Task Consume(ConsumeContext<Payload> context)
        {
            var endpoint = await context.GetSendEndpoint(Backlog.Sink);
            await endpoint.Send(new Sent(context.Message.Id, context.Message.Text));
        }
    }
}
