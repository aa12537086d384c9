namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A transaction in which something may fail that does not end it.</summary>
internal interface IAttempts
{
    /// <summary>Runs an attempt; if it throws, nothing of it stays: no row, no message, and nothing that the DbContext tracks.</summary>
    Task AttemptAsync(Func<Task> attempt);
}

/// <summary>Lets every attempt at an activity of a routing slip start clean.</summary>
/// <remarks>
/// The outbox lies around the whole activity, wherever a retry is configured: MassTransit repeats an activity inside, and turns its
/// exception there into the fault of the slip, so that the transaction goes on. What had been done until then would be committed.
/// </remarks>
internal sealed class ActivityAttemptObserver : IActivityConfigurationObserver
{
    public void ActivityConfigured<TActivity, TArguments>(IExecuteActivityConfigurator<TActivity, TArguments> configurator, Uri compensateAddress)
        where TActivity : class, IExecuteActivity<TArguments>
        where TArguments : class =>
        ExecuteActivityConfigured(configurator);

    public void ExecuteActivityConfigured<TActivity, TArguments>(IExecuteActivityConfigurator<TActivity, TArguments> configurator)
        where TActivity : class, IExecuteActivity<TArguments>
        where TArguments : class =>
        configurator.Arguments(pipe => pipe.UseFilter(new AttemptFilter<ExecuteContext<TArguments>>()));

    public void CompensateActivityConfigured<TActivity, TLog>(ICompensateActivityConfigurator<TActivity, TLog> configurator)
        where TActivity : class, ICompensateActivity<TLog>
        where TLog : class =>
        configurator.Log(pipe => pipe.UseFilter(new AttemptFilter<CompensateContext<TLog>>()));

    private sealed class AttemptFilter<TContext> : IFilter<TContext> where TContext : class, PipeContext
    {
        public Task Send(TContext context, IPipe<TContext> next) => context.TryGetPayload(out IAttempts? attempts)
            ? attempts.AttemptAsync(() => next.Send(context))
            : throw new InvalidOperationException("An activity behind the outbox ran outside its transaction.");

        public void Probe(ProbeContext context) => context.CreateFilterScope("outboxAttempt");
    }
}
