using Quartz;

namespace Governor.Director.Drift;

/// <summary>Runs the drift scan on schedule, on one Director at a time.</summary>
[DisallowConcurrentExecution]
internal sealed partial class DriftJob(DriftScan scan, ILogger<DriftJob> logger) : IJob
{
    public static readonly JobKey Key = new("drift");

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            if (await scan.RunAsync(MomentOf(context), cancellationToken) is { } result
                && (result.Findings > 0 || result.Sent > 0))
            {
                LogFound(result.Findings, result.Sent);
            }
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The next run starts from the tables again; one line says why this one did not finish.
            LogFailed(e.GetType().Name, e.Message);
        }
    }

    /// <summary>The moment of the schedule that the run serves. A Director that died in a run leaves it to another, as a firing
    /// of its own that names the first one's moment.</summary>
    private static DateTimeOffset? MomentOf(IJobExecutionContext context) =>
        context.Recovering
        && context.MergedJobDataMap.TryGetDateTimeOffset(SchedulerConstants.FailedJobOriginalTriggerScheduledFireTime, out var first)
            ? first
            : context.ScheduledFireTimeUtc;

    [LoggerMessage(2401, LogLevel.Information, "Drift run: {Findings} finding(s), sent to {Sent} runtime(s); see GET /admin/drift")]
    private partial void LogFound(int findings, int sent);

    [LoggerMessage(2402, LogLevel.Warning, "Drift run did not finish ({Exception}: {Message}); the next one starts anew")]
    private partial void LogFailed(string exception, string message);
}
