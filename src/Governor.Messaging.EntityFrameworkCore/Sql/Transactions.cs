using System.Data;
using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Runs work in a transaction, also where an execution strategy repeats what failed.</summary>
internal static class Transactions
{
    /// <summary>Runs work in a transaction, and commits it. Work may run more than once; each time the DbContext tracks nothing.</summary>
    public static Task<T> InTransactionAsync<T>(
        this DbContext context, IsolationLevel isolationLevel, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        var strategy = context.Database.CreateExecutionStrategy();
        return strategy.RetriesOnFailure
            ? strategy.ExecuteAsync(_ => OnceAsync(context, isolationLevel, work, cancellationToken), cancellationToken)
            : OnceAsync(context, isolationLevel, work, cancellationToken);
    }

    private static async Task<T> OnceAsync<T>(
        DbContext context, IsolationLevel isolationLevel, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            await using var transaction = await context.Database.BeginTransactionAsync(isolationLevel, cancellationToken);
            var result = await work();
            await transaction.CommitAsync(cancellationToken);
            return result;
        }
        catch
        {
            // A retry may share the scope: it must not find the failed attempt's changes.
            context.ChangeTracker.Clear();
            throw;
        }
    }
}
