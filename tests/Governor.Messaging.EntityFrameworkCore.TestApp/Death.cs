using System.Data.Common;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Governor.Messaging.EntityFrameworkCore.TestApp;

/// <summary>Ends the process by SIGKILL when a step is reached for the n-th time.</summary>
/// <remarks>
/// Steps: <c>{write,consume,deliver,mark}-{before,after}-commit</c>, by what a transaction has done, and <c>deliver-confirmed</c> and
/// <c>consume-sent</c>, when the broker has confirmed a message of the delivery service or of the consumer.
/// </remarks>
internal sealed class Death(string step, int occurrence) : DbCommandInterceptor, IDbTransactionInterceptor, ISendObserver
{
    private readonly ConditionalWeakTable<DbContext, string> _kinds = [];
    private int _left = occurrence;

    public override ValueTask<int> NonQueryExecutedAsync(
        DbCommand command, CommandExecutedEventData eventData, int result, CancellationToken cancellationToken = default)
    {
        Note(eventData.Context, command.CommandText);
        return ValueTask.FromResult(result);
    }

    public override ValueTask<DbDataReader> ReaderExecutedAsync(
        DbCommand command, CommandExecutedEventData eventData, DbDataReader result, CancellationToken cancellationToken = default)
    {
        Note(eventData.Context, command.CommandText);
        return ValueTask.FromResult(result);
    }

    public ValueTask<InterceptionResult> TransactionCommittingAsync(
        DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
    {
        Reach(eventData.Context, "before-commit");
        return ValueTask.FromResult(result);
    }

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Reach(eventData.Context, "after-commit");
        return Task.CompletedTask;
    }

    public Task PreSend<T>(SendContext<T> context) where T : class => Task.CompletedTask;

    public Task PostSend<T>(SendContext<T> context) where T : class
    {
        Reach(context.DestinationAddress?.AbsolutePath.EndsWith($"/{WorkConsumer.Queue}", StringComparison.Ordinal) == true ? "deliver-confirmed" : "consume-sent");
        return Task.CompletedTask;
    }

    public Task SendFault<T>(SendContext<T> context, Exception exception) where T : class => Task.CompletedTask;

    private void Note(DbContext? context, string text)
    {
        if (context is null || _kinds.TryGetValue(context, out var known) && known == "consume")
            return;
        var kind = text.Contains("INSERT INTO \"InboxState\"", StringComparison.Ordinal) ? "consume"
            : text.Contains("UPDATE \"InboxState\"", StringComparison.Ordinal) ? "mark"
            : text.Contains("INSERT INTO \"OutboxMessage\"", StringComparison.Ordinal) ? "write"
            : text.Contains("DELETE FROM \"OutboxState\"", StringComparison.Ordinal) ? "deliver" : null;
        if (kind is null)
            return;
        _kinds.AddOrUpdate(context, kind);
        if (kind == "write")
            Reach(context, "before-commit"); // The messages are written when the commit has begun.
    }

    private void Reach(DbContext? context, string moment)
    {
        if (context is not null && _kinds.TryGetValue(context, out var kind))
            Reach($"{kind}-{moment}");
    }

    private void Reach(string reached)
    {
        if (reached == step && Interlocked.Decrement(ref _left) == 0)
            Process.GetCurrentProcess().Kill();
    }
}
