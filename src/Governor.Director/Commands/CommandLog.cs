using System.Text.Json;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Commands;

/// <summary>Carries a command out once, and answers it as before whenever it comes again. The row that says so is written in the
/// transaction that does the work, so no crash comes between the two.</summary>
/// <remarks>The row is the first lock that a command takes. Of two of the same at once the second waits for the first, at the
/// unique key (PostgreSQL) or as the next writer (SQLite), and gets its answer.</remarks>
internal sealed class CommandLog(DirectorDbContext db, TimeProvider clock)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    /// <summary>Does the work in one transaction with the command's row, or answers as before.</summary>
    /// <param name="command">The command.</param>
    /// <param name="work">Takes part in the open transaction. A refusal rolls back all that it has written, and is itself the
    /// answer from then on; after an exception the command is new.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <typeparam name="T">Type of the answer; it is kept as JSON.</typeparam>
    public async Task<Outcome<T>> OnceAsync<T>(
        CommandIdentity command, Func<CancellationToken, Task<Outcome<T>>> work, CancellationToken cancellationToken)
        where T : class
    {
        while (true)
        {
            if (await TryOnceAsync(command, work, cancellationToken) is { } outcome)
                return outcome;
        }
    }

    /// <returns>Null if the row that was in the way has just been deleted for its age: then the command is new.</returns>
    private async Task<Outcome<T>?> TryOnceAsync<T>(
        CommandIdentity command, Func<CancellationToken, Task<Outcome<T>>> work, CancellationToken cancellationToken)
        where T : class
    {
        Outcome<T> outcome;
        await using (var transaction = await db.Database.BeginTransactionAsync(cancellationToken))
        {
            if (!await ClaimAsync(command, answer: null, cancellationToken))
                return await FormerAsync<T>(command, cancellationToken);

            outcome = await work(cancellationToken);
            if (outcome.Succeeded)
            {
                await db.Database.ExecuteSqlRawAsync(
                    "UPDATE commands SET answer = @answer WHERE tenant = @tenant AND command_id = @id",
                    [.. Key(command), db.Parameter("answer", Write(outcome))], cancellationToken);
                await transaction.CommitAsync(cancellationToken);
                return outcome;
            }
        }

        // What the work had begun is rolled back, the row with it; the refusal is all that stays.
        await using var second = await db.Database.BeginTransactionAsync(cancellationToken);
        if (!await ClaimAsync(command, Write(outcome), cancellationToken))
            return await FormerAsync<T>(command, cancellationToken);
        await second.CommitAsync(cancellationToken);
        return outcome;
    }

    private async Task<bool> ClaimAsync(CommandIdentity command, string? answer, CancellationToken cancellationToken) =>
        await db.Database.ExecuteSqlRawAsync(
            """
            INSERT INTO commands (tenant, command_id, request_hash, answer, at) VALUES (@tenant, @id, @hash, @answer, @now)
            ON CONFLICT (tenant, command_id) DO NOTHING
            """,
            [
                .. Key(command), db.Parameter("hash", command.RequestHash), db.Parameter("answer", answer),
                db.Parameter("now", clock.GetUtcNow()),
            ],
            cancellationToken) == 1;

    private async Task<Outcome<T>?> FormerAsync<T>(CommandIdentity command, CancellationToken cancellationToken)
        where T : class
    {
        var row = await db.Commands.AsNoTracking()
            .SingleOrDefaultAsync(c => c.Tenant == command.Tenant && c.CommandId == command.Id, cancellationToken);
        return row is null ? null : row.RequestHash == command.RequestHash ? Read<T>(row.Answer!) : command.Reused;
    }

    private object[] Key(CommandIdentity command) => [db.Parameter("tenant", command.Tenant), db.Parameter("id", command.Id)];

    private static string Write<T>(Outcome<T> outcome)
        where T : class => JsonSerializer.Serialize(new Stored<T>(outcome.Value, outcome.Refusal), Json);

    private static Outcome<T> Read<T>(string answer)
        where T : class
    {
        var stored = JsonSerializer.Deserialize<Stored<T>>(answer, Json)!;
        return stored.Refusal is { } refusal ? refusal : stored.Value!;
    }

    private sealed record Stored<T>(T? Value, Refusal? Refusal);
}
