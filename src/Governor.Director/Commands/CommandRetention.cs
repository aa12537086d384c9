using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Commands;

/// <summary>Forgets commands a week after they came: by then nobody repeats them.</summary>
internal sealed partial class CommandRetention(
    IServiceScopeFactory scopes, TimeProvider clock, ILogger<CommandRetention> logger) : BackgroundService
{
    private static readonly TimeSpan Kept = TimeSpan.FromDays(7);
    private static readonly TimeSpan LookEvery = TimeSpan.FromHours(1);

    /// <summary>Rows that one statement deletes: it is over soon, whatever has gathered.</summary>
    private const int AtOnce = 1000;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(LookEvery, clock);
        do
        {
            try
            {
                while (await ForgetAsync(stoppingToken) == AtOnce)
                {
                    // There is more.
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(e.GetType().Name, e.Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task<int> ForgetAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<DirectorDbContext>();
        var before = clock.GetUtcNow() - Kept;
        if (!await db.Commands.AnyAsync(c => c.At < before, cancellationToken))
            return 0;

        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var deleted = await db.Database.ExecuteSqlRawAsync(
            $"""
             DELETE FROM commands WHERE (tenant, command_id) IN (
                 SELECT tenant, command_id FROM commands WHERE at < @before LIMIT {AtOnce}{db.ForUpdateSkipLocked()})
             """,
            [db.Parameter("before", before)], cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return deleted;
    }

    [LoggerMessage(2802, LogLevel.Warning, "Old commands could not be deleted ({Exception}: {Message}); it is tried again each hour")]
    private partial void LogFailed(string exception, string message);
}
