using MassTransit;
using MassTransit.Courier.Contracts;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedRoutingSlipTests(EmbeddedBackend backend) : RoutingSlipTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersRoutingSlipTests(ServersBackend backend) : RoutingSlipTests(backend), IClassFixture<ServersBackend>;

/// <summary>Activities of a routing slip behind the outbox: each step's row, its events and the slip itself leave together.</summary>
public abstract class RoutingSlipTests(Backend backend)
{
    [Fact]
    public async Task Given_a_slip_When_a_step_fails_once_Then_the_slip_completes_and_every_step_has_its_effect_once()
    {
        await using var host = await StartAsync();
        await ExecuteAsync(host, new StepArguments("one"), new StepArguments("two", FailsOnce: true));

        await host.Recorder.UntilAsync<RoutingSlipCompleted>(1);
        await host.OutboxIsEmptyAsync();
        Assert.Equal(["one", "two"], await NotesAsync(host));
        Assert.Equal(["did one", "did two"], Texts(host));
    }

    [Theory]
    [InlineData(Fault.Thrown)]
    [InlineData(Fault.Returned)]
    public async Task Given_a_slip_When_its_last_step_faults_Then_it_leaves_nothing_and_the_steps_before_are_compensated_once(Fault fault)
    {
        await using var host = await StartAsync();
        await ExecuteAsync(host, new StepArguments("one"), new StepArguments("two", FailsOnce: true), new StepArguments("three", Faults: fault));

        await host.Recorder.UntilAsync<RoutingSlipFaulted>(1);
        await host.OutboxIsEmptyAsync();
        Assert.Equal([], await NotesAsync(host));
        Assert.Equal(["did one", "did two", "undid one", "undid two"], Texts(host));
    }

    [Fact]
    public async Task Given_a_slip_that_comes_twice_Then_every_step_runs_once()
    {
        await using var host = await StartAsync();
        var slip = Slip(new StepArguments("one"), new StepArguments("two"));
        var steps = await host.Service<IBus>().GetSendEndpoint(new Uri("queue:step_execute"));
        for (var i = 0; i < 2; i++)
            await steps.Send(slip, context => context.MessageId = slip.TrackingNumber);

        await host.Recorder.UntilAsync<RoutingSlipCompleted>(1);
        await Eventually.HoldsAsync(async () => await host.ReadAsync(db => db.Set<InboxState>()
            .Where(state => state.MessageId == slip.TrackingNumber).SumAsync(state => state.ReceiveCount)) == 3, "the first step came twice, the second once");
        await host.OutboxIsEmptyAsync();
        Assert.Equal(["did one", "did two"], Texts(host));
        Assert.Single(host.Recorder.Snapshot(), received => received.Message is RoutingSlipCompleted);
    }

    private static Task ExecuteAsync(TestHost host, params StepArguments[] steps) => host.Service<IBus>().Execute(Slip(steps));

    private static RoutingSlip Slip(params StepArguments[] steps)
    {
        var slip = new RoutingSlipBuilder(NewId.NextGuid());
        foreach (var step in steps)
            slip.AddActivity(step.Text, new Uri("queue:step_execute"), step);
        return slip.Build();
    }

    private static Task<List<string>> NotesAsync(TestHost host) => host.ReadAsync(db => db.Notes.Select(note => note.Text).Order().ToListAsync());

    private static IEnumerable<string> Texts(TestHost host) =>
        host.Recorder.Snapshot().Select(received => received.Message).OfType<NoteWritten>().Select(note => note.Text).Order();

    private Task<TestHost> StartAsync() => TestHost.StartAsync(backend,
        bus => bus.AddActivity<StepActivity, StepArguments, StepLog>(),
        (context, bus, recorder) =>
        {
            bus.Record<RoutingSlipCompleted>(recorder, "completed");
            bus.Record<RoutingSlipFaulted>(recorder, "faulted");
            bus.Record<NoteWritten>(recorder, "notes");
            bus.ReceiveEndpoint("step_execute", execute => bus.ReceiveEndpoint("step_compensate", compensate =>
            {
                foreach (var endpoint in (IReceiveEndpointConfigurator[])[execute, compensate])
                {
                    endpoint.UseMessageRetry(retry => retry.Immediate(5));
                    endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
                }

                execute.ConfigureActivity(compensate, context, typeof(StepActivity));
            }));
        });

    public enum Fault
    {
        None,
        Thrown,
        Returned,
    }

    public sealed record StepArguments(string Text, bool FailsOnce = false, Fault Faults = Fault.None);

    public sealed record StepLog(string Text, bool FailsOnce);

    /// <summary>Writes a note, and takes it back. What is to fail once fails after it has published, in both directions.</summary>
    private sealed class StepActivity(TestDbContext db) : IActivity<StepArguments, StepLog>
    {
        public async Task<ExecutionResult> Execute(ExecuteContext<StepArguments> context)
        {
            var (text, failsOnce, faults) = context.Arguments;
            db.Add(new Note { Text = text });
            await context.Publish(new NoteWritten($"did {text}"));
            if (faults is Fault.Thrown or Fault.Returned)
                await db.SaveChangesAsync();
            if (faults == Fault.Thrown)
                throw new InvalidOperationException("This step was meant to fail.");
            if (faults == Fault.Returned)
                return context.Faulted(new InvalidOperationException("This step was meant to fault."));
            if (failsOnce && context.GetRetryAttempt() == 0)
                throw new InvalidOperationException("This attempt was meant to fail.");
            return context.Completed(new StepLog(text, failsOnce));
        }

        public async Task<CompensationResult> Compensate(CompensateContext<StepLog> context)
        {
            await db.Notes.Where(note => note.Text == context.Log.Text).ExecuteDeleteAsync();
            await context.Publish(new NoteWritten($"undid {context.Log.Text}"));
            if (context.Log.FailsOnce && context.GetRetryAttempt() == 0)
                throw new InvalidOperationException("This attempt was meant to fail.");
            return context.Compensated();
        }
    }
}
