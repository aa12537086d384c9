using Quartz;

namespace Governor.Director.Drift;

/// <summary>Registers Quartz and the drift job.</summary>
internal static class DriftRegistration
{
    /// <summary>How late a run may come (a Director died, a machine stood still) and still be made up for; moments that are
    /// longer past are left out, as after an outage.</summary>
    private static readonly TimeSpan LateAtMost = TimeSpan.FromMinutes(1);

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
                quartz.UseInMemoryStore(store => store.MisfireThreshold = LateAtMost);
            else
                quartz.UsePersistentStore(store => Cluster(store, clusteredOn));

            quartz.AddJob<DriftJob>(job => job.WithIdentity(DriftJob.Key).StoreDurably().RequestRecovery());
        });
        services.AddQuartzHostedService(o => o.WaitForJobsToComplete = true);
        services.AddHostedService<DriftSchedule>();
    }

    private static void Cluster(IPersistentStoreBuilder store, string connectionString)
    {
        store.UsePostgres(connectionString);
        store.ConfigureStore(options => options.MisfireThreshold = LateAtMost);
        store.UseClustering(cluster =>
        {
            cluster.CheckinInterval = TimeSpan.FromSeconds(1);
            cluster.CheckinMisfireThreshold = TimeSpan.FromSeconds(2);
        });
        store.ProvisionSchema();
    }
}
