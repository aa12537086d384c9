using Microsoft.Extensions.Options;
using Quartz;

namespace Governor.Director.Drift;

/// <summary>Puts the drift job on its schedule.</summary>
internal static class DriftRegistration
{
    /// <summary>A run soon after each start, so that Directors that restart often still look after the fleet.</summary>
    private static readonly TimeSpan FirstRunAtMost = TimeSpan.FromSeconds(10);

    /// <summary>Adds Quartz and the job.</summary>
    /// <param name="services">The services.</param>
    /// <param name="clusteredOn">Connection string of the PostgreSQL database that the Directors share; null keeps the
    /// schedule in memory, for one process.</param>
    public static void AddDriftJob(this IServiceCollection services, string? clusteredOn)
    {
        services.AddQuartz(quartz =>
        {
            quartz.ConfigureScheduler(scheduler => scheduler.InstanceName = "governor");
            if (clusteredOn is null)
                quartz.UseInMemoryStore(store => store.MisfireThreshold = TimeSpan.FromSeconds(2));
            else
                quartz.UsePersistentStore(store => Cluster(store, clusteredOn));

            quartz.AddJob<DriftJob>(job => job.WithIdentity(DriftJob.Key));
            quartz.AddTrigger<DriftJob>((provider, trigger) =>
            {
                var interval = provider.GetRequiredService<IOptions<DriftOptions>>().Value.Interval;
                var first = interval < FirstRunAtMost ? interval : FirstRunAtMost;
                trigger.WithIdentity("drift").ForJob(DriftJob.Key)
                    .StartAt(provider.GetRequiredService<TimeProvider>().GetUtcNow() + first)
                    .WithSimpleSchedule(schedule => schedule.WithInterval(interval).RepeatForever()
                        .WithMisfireInstruction(SimpleTriggerMisfireInstruction.NextWithRemainingCount));
            });
        });
        services.AddQuartzHostedService(o => o.WaitForJobsToComplete = true);
    }

    private static void Cluster(IPersistentStoreBuilder store, string connectionString)
    {
        store.UsePostgres(connectionString);
        store.ConfigureStore(options => options.MisfireThreshold = TimeSpan.FromSeconds(2));
        store.UseClustering(cluster =>
        {
            cluster.CheckinInterval = TimeSpan.FromSeconds(1);
            cluster.CheckinMisfireThreshold = TimeSpan.FromSeconds(2);
        });
        store.ProvisionSchema();
    }
}
