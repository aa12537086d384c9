using Microsoft.Extensions.Options;
using Quartz;

namespace Governor.Director.Drift;

/// <summary>Puts the drift job on its schedule, once for all Directors: one that starts leaves a schedule with the same
/// interval as it is, because starting it anew would shift the runs, or put them off for ever.</summary>
internal sealed class DriftSchedule(ISchedulerFactory schedulers, IOptions<DriftOptions> options, TimeProvider clock) : IHostedService
{
    /// <summary>The first run of a new schedule comes soon.</summary>
    private static readonly TimeSpan FirstRunAtMost = TimeSpan.FromSeconds(10);

    private static readonly TriggerKey Key = new("drift");

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var scheduler = await schedulers.GetScheduler(cancellationToken);
        var interval = options.Value.Interval;
        var present = await scheduler.GetTrigger(Key, cancellationToken);
        if (present is ISimpleTrigger simple && simple.RepeatInterval == interval && simple.NextFireTimeUtc is not null)
            return;

        var first = interval < FirstRunAtMost ? interval : FirstRunAtMost;
        // On a whole second: the moment of a run that another Director takes over comes without fractions.
        var start = DateTimeOffset.FromUnixTimeSeconds((clock.GetUtcNow() + first).ToUnixTimeSeconds());
        var trigger = TriggerBuilder.Create().WithIdentity(Key).ForJob(DriftJob.Key)
            .StartAt(start)
            .WithSimpleSchedule(schedule => schedule.WithInterval(interval).RepeatForever()
                .WithMisfireInstruction(SimpleTriggerMisfireInstruction.NextWithRemainingCount))
            .Build();
        try
        {
            if (present is null)
                await scheduler.ScheduleJob(trigger, cancellationToken: cancellationToken);
            else
                await scheduler.RescheduleJob(Key, trigger, cancellationToken);
        }
        catch (ObjectAlreadyExistsException)
        {
            // Another Director that starts at the same moment was faster.
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
