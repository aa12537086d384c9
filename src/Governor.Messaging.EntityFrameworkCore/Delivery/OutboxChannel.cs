using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The channel of PostgreSQL on which the processes of one database say that an outbox has something to deliver.</summary>
internal static class OutboxChannel
{
    /// <summary>A name that every process derives from the table, short enough for an identifier and without any to quote.</summary>
    public static string Of(DbContext context) =>
        $"outbox_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(TableNames.Of<OutboxMessage>(context).Table)))[..16]}";
}

/// <summary>Tells other processes, if this one does not deliver itself. What is committed meanwhile is told of once.</summary>
/// <remarks>Outside the transaction: a NOTIFY within it would make all commits of the database wait for each other.</remarks>
internal sealed partial class OutboxNotifier<TDbContext>(
    IServiceScopeFactory scopes, OutboxSignal<TDbContext> signal, ILogger<OutboxNotifier<TDbContext>> logger) : BackgroundService
    where TDbContext : DbContext
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await signal.Elsewhere.ReadAsync(stoppingToken);
                try
                {
                    await using var scope = scopes.CreateAsyncScope();
                    var context = scope.ServiceProvider.GetRequiredService<TDbContext>();
                    await context.Database.ExecuteSqlRawAsync("SELECT pg_notify({0}, '')", [OutboxChannel.Of(context)], stoppingToken);
                }
                catch (Exception exception) when (exception is not OperationCanceledException)
                {
                    LogNotTold(exception, typeof(TDbContext).Name);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Others look by themselves.
        }
    }

    [LoggerMessage(9021, LogLevel.Warning, "No other process could be told that the outbox of {DbContext} has messages; they find them at their next look")]
    private partial void LogNotTold(Exception exception, string dbContext);
}
