using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>Keeps the text of every statement.</summary>
public sealed class CommandCounter : DbCommandInterceptor
{
    private readonly ConcurrentQueue<string> _commands = new();

    /// <summary>In their order.</summary>
    public IReadOnlyCollection<string> Texts => [.. _commands.Select(text => text.TrimStart())];

    public int Inserts => _commands.Count(text => text.TrimStart().StartsWith("INSERT", StringComparison.OrdinalIgnoreCase));

    public void Clear() => _commands.Clear();

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        _commands.Enqueue(command.CommandText);
        return ValueTask.FromResult(result);
    }

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        _commands.Enqueue(command.CommandText);
        return ValueTask.FromResult(result);
    }
}
