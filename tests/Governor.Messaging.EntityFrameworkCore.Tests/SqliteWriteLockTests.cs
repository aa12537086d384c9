using Microsoft.EntityFrameworkCore;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class SqliteWriteLockTests(EmbeddedBackend backend) : IClassFixture<EmbeddedBackend>
{
    [Fact]
    public async Task Given_20_writers_at_once_Then_every_transaction_commits()
    {
        await Task.WhenAll(Enumerable.Range(0, 20).Select(writer => Task.Run(async () =>
        {
            for (var i = 0; i < 10; i++)
            {
                await using var db = backend.CreateContext();
                await using var transaction = await db.Database.BeginTransactionAsync();
                db.Add(new Note { Text = $"{writer}-{i}" });
                await db.SaveChangesAsync();
                await transaction.CommitAsync();
            }
        })));
        await using var reader = backend.CreateContext();
        Assert.Equal(200, await reader.Notes.CountAsync(note => note.Text.Contains('-')));
    }

    [Theory]
    [InlineData("commit")]
    [InlineData("rollback")]
    [InlineData("dispose")]
    [InlineData("dispose, connection kept open")]
    public async Task Given_a_transaction_When_it_ends_in_any_way_Then_the_next_can_start(string end)
    {
        await using var first = backend.CreateContext();
        if (end.EndsWith("open", StringComparison.Ordinal))
            await first.Database.OpenConnectionAsync();
        var transaction = await first.Database.BeginTransactionAsync();
        await using var second = backend.CreateContext();
        using var early = new CancellationTokenSource();
        var waiting = second.Database.BeginTransactionAsync(early.Token);
        Assert.False(waiting.IsCompleted);

        if (end == "commit")
            await transaction.CommitAsync();
        else if (end == "rollback")
            await transaction.RollbackAsync();
        else
            await transaction.DisposeAsync();

        await using (await waiting.WaitAsync(TimeSpan.FromSeconds(20)))
        {
        }

        await transaction.DisposeAsync();
    }

    [Fact]
    public async Task Given_a_waiting_transaction_When_it_is_cancelled_Then_the_lock_is_not_lost()
    {
        await using var first = backend.CreateContext();
        await using (await first.Database.BeginTransactionAsync())
        {
            await using var second = backend.CreateContext();
            using var cancelled = new CancellationTokenSource();
            var waiting = second.Database.BeginTransactionAsync(cancelled.Token);
            await cancelled.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        }

        await using var third = backend.CreateContext();
        await using var transaction = await third.Database.BeginTransactionAsync().WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public void Given_synchronous_transactions_Then_the_lock_is_taken_and_released_too()
    {
        for (var i = 0; i < 3; i++)
        {
            using var db = backend.CreateContext();
            using var transaction = db.Database.BeginTransaction();
            db.Add(new Note { Text = $"sync{i}" });
            db.SaveChanges();
            transaction.Commit();
        }
    }
}
