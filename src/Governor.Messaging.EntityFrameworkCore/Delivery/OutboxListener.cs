using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>An outbox on PostgreSQL that this process delivers.</summary>
/// <param name="Context">Gives its DbContext.</param>
/// <param name="Wake">Wakes its delivery.</param>
internal sealed record OutboxListenerTarget(Func<IServiceProvider, DbContext> Context, Action Wake);

/// <summary>Hears from other processes that they have committed messages: by one connection for all outboxes of a database.</summary>
/// <remarks>
/// While the connection is away, or a pooler in between does not pass notifications on, the regular look at the table is left.
/// After each new connection everything is looked at once, for what was missed.
/// </remarks>
internal sealed partial class OutboxListener(
    IEnumerable<OutboxListenerTarget> targets, IServiceScopeFactory scopes, TimeProvider clock, ILogger<OutboxListener> logger) : BackgroundService
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        await Task.WhenAll(targets.GroupBy(ConnectionString).Select(database => ListenAsync([.. database], stoppingToken)));
    }

    private async Task ListenAsync(List<OutboxListenerTarget> outboxes, CancellationToken stop)
    {
        var pause = TimeSpan.FromSeconds(1);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                var context = outboxes[0].Context(scope.ServiceProvider);
                if (context.Database.GetDbConnection() is not NpgsqlConnection connection)
                    return;
                await context.Database.OpenConnectionAsync(stop);
                var wakes = await SubscribeAsync(scope.ServiceProvider, connection, outboxes, stop);
                connection.Notification += (_, notification) =>
                {
                    if (wakes.TryGetValue(notification.Channel, out var wake))
                        wake();
                };
                pause = TimeSpan.FromSeconds(1);
                outboxes.ForEach(outbox => outbox.Wake());
                await WaitAsync(connection, stop);
            }
            catch (Exception) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                LogLost(exception, pause);
                await Task.Delay(pause, clock, stop).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    private static async Task WaitAsync(NpgsqlConnection connection, CancellationToken stop)
    {
        try
        {
            while (true)
                if (!await connection.WaitAsync(Quiet, stop))
                    await ExecuteAsync(connection, "SELECT 1", stop); // Finds out that the other end is gone.
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // A pool that does not reset its connections would hand this one on, still listening.
            await ExecuteAsync(connection, "UNLISTEN *", CancellationToken.None);
            throw;
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task<Dictionary<string, Action>> SubscribeAsync(
        IServiceProvider provider, NpgsqlConnection connection, List<OutboxListenerTarget> outboxes, CancellationToken stop)
    {
        var wakes = new Dictionary<string, Action>(StringComparer.Ordinal);
        foreach (var outbox in outboxes)
        {
            var channel = OutboxChannel.Of(outbox.Context(provider));
            wakes[channel] = wakes.GetValueOrDefault(channel) + outbox.Wake;
        }

        await ExecuteAsync(connection, string.Concat(wakes.Keys.Select(channel => $"LISTEN {channel};")), stop);
        return wakes;
    }

    private string? ConnectionString(OutboxListenerTarget outbox)
    {
        using var scope = scopes.CreateScope();
        return outbox.Context(scope.ServiceProvider).Database.GetDbConnection().ConnectionString;
    }

    [LoggerMessage(9022, LogLevel.Warning, "The connection that hears of new messages is lost; messages of other processes wait for the regular look, next attempt in {Pause}")]
    private partial void LogLost(Exception exception, TimeSpan pause);
}
