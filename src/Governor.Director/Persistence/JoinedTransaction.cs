using Microsoft.EntityFrameworkCore.Storage;

namespace Governor.Director.Persistence;

/// <summary>A flow's part in a transaction: the caller's if it has one open, else one of the flow's own.</summary>
/// <remarks>Of a caller's transaction nothing is committed or rolled back here: a flow that leaves without
/// <see cref="CommitAsync"/> says so by a refusal, and the caller rolls back.</remarks>
internal sealed class JoinedTransaction(IDbContextTransaction? own) : IAsyncDisposable
{
    /// <summary>Commits what is the flow's own; a caller commits its own later.</summary>
    public Task CommitAsync(CancellationToken cancellationToken) => own?.CommitAsync(cancellationToken) ?? Task.CompletedTask;

    public ValueTask DisposeAsync() => own?.DisposeAsync() ?? ValueTask.CompletedTask;
}

internal static class JoinedTransactions
{
    /// <summary>Takes part in the open transaction, or begins one.</summary>
    public static async Task<JoinedTransaction> JoinTransactionAsync(this DirectorDbContext db, CancellationToken cancellationToken) =>
        new(db.Database.CurrentTransaction is null ? await db.Database.BeginTransactionAsync(cancellationToken) : null);
}
