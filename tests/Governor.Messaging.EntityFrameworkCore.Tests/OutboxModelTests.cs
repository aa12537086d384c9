using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>Random histories of writers, failing sends and restarts, against what must come of them.</summary>
public sealed class OutboxModelTests(EmbeddedBackend backend) : IClassFixture<EmbeddedBackend>
{
    public abstract record Step;

    /// <summary>Writers at once, each with a transaction of several SaveChanges.</summary>
    public sealed record Write(Transaction[] Transactions) : Step
    {
        public override string ToString() => $"write {string.Join(", ", Transactions.Select(t => $"[{string.Join('+', t.Sizes)}]{(t.Commits ? "" : " rolled back")}"))}";
    }

    /// <summary>The next sends are refused.</summary>
    public sealed record Refuse(int Count) : Step;

    /// <summary>The process ends and another one starts.</summary>
    public sealed record Restart : Step;

    public sealed record Transaction(int[] Sizes, bool Commits);

    public sealed record History(Step[] Steps)
    {
        public override string ToString() => string.Join("; ", Steps.AsEnumerable());
    }

    [Property(MaxTest = 15, Arbitrary = [typeof(Histories)])]
    public async Task Given_any_history_Then_what_was_committed_arrives_in_order_and_nothing_else(History history)
    {
        var refusals = new Refusals();
        var committed = new HashSet<int>();
        var received = new List<int>();
        var transactions = 0;
        var host = await StartAsync(refusals, empty: true);
        try
        {
            foreach (var step in history.Steps)
            {
                switch (step)
                {
                    case Write write:
                        var numbered = write.Transactions.Select(transaction => (Number: ++transactions, transaction)).ToList();
                        await Task.WhenAll(numbered.Select(t => WriteAsync(host, t.Number, t.transaction)));
                        committed.UnionWith(numbered.Where(t => t.transaction.Commits).SelectMany(t => Numbers(t.Number, t.transaction.Sizes.Sum())));
                        break;
                    case Refuse refuse:
                        refusals.Next = refuse.Count;
                        break;
                    case Restart:
                        await host.DisposeAsync();
                        received.AddRange(Received(host));
                        host = await StartAsync(refusals, empty: false);
                        break;
                }
            }

            refusals.Next = 0;
            await host.OutboxIsEmptyAsync();
            await Eventually.HoldsAsync(
                () => Task.FromResult(received.Concat(Received(host)).ToHashSet().IsSupersetOf(committed)), "everything that was committed arrived");
        }
        finally
        {
            await host.DisposeAsync();
        }

        received.AddRange(Received(host));
        Assert.Empty(received.Except(committed));
        // Whatever was repeated, it was repeated together with what follows it.
        foreach (var outbox in received.AsEnumerable().Reverse().Distinct().Reverse().GroupBy(number => number / 1000))
            Assert.Equal(outbox.Order(), outbox);
    }

    private static IEnumerable<int> Numbers(int transaction, int count) => Enumerable.Range(transaction * 1000, count);

    private static IEnumerable<int> Received(TestHost host) => host.Recorder.Snapshot().Select(r => ((Routed)r.Message).Number);

    private static Task WriteAsync(TestHost host, int number, Transaction transaction) => host.InScopeAsync(async (scope, db) =>
    {
        var bus = scope.GetRequiredService<IPublishEndpoint>();
        await using var opened = await db.Database.BeginTransactionAsync();
        var next = number * 1000;
        foreach (var size in transaction.Sizes)
        {
            for (var i = 0; i < size; i++)
                await bus.Publish(new Routed("a", next++));
            await db.SaveChangesAsync();
        }

        if (transaction.Commits)
            await opened.CommitAsync();
    });

    private async Task<TestHost> StartAsync(Refusals refusals, bool empty)
    {
        var host = await TestHost.StartAsync(backend, empty: empty, register: bus => bus.AddSendObserver(_ => refusals),
            configure: (_, bus, recorder) => bus.RecordRouted(backend, recorder, "routed", "a"));
        return host;
    }

    public static class Histories
    {
        public static Arbitrary<History> History() => ArrayOf(8, Gen.Frequency(
            (6, ArrayOf(4, Transaction()).Select(transactions => (Step)new Write(transactions))),
            (1, Gen.Choose(1, 2).Select(count => (Step)new Refuse(count))),
            (1, Gen.Constant((Step)new Restart())))).Select(steps => new History(steps)).ToArbitrary();

        private static Gen<Transaction> Transaction() =>
            from sizes in ArrayOf(4, Gen.Choose(0, 30))
            from commits in Gen.Frequency((4, Gen.Constant(true)), (1, Gen.Constant(false)))
            select new Transaction(sizes, commits);

        private static Gen<T[]> ArrayOf<T>(int most, Gen<T> element) => Gen.Choose(1, most).SelectMany(count => Gen.ArrayOf(element, count));
    }

    private sealed class Refusals : ISendObserver
    {
        private int _next;

        public int Next
        {
            set => Volatile.Write(ref _next, value);
        }

        public Task PreSend<T>(SendContext<T> context) where T : class => Interlocked.Decrement(ref _next) >= 0
            ? throw new InvalidOperationException("This send was meant to fail.")
            : Task.CompletedTask;

        public Task PostSend<T>(SendContext<T> context) where T : class => Task.CompletedTask;

        public Task SendFault<T>(SendContext<T> context, Exception exception) where T : class => Task.CompletedTask;
    }
}
