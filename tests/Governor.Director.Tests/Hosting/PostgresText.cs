using System.Data.Common;
using System.Text;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Governor.Director.Tests.Hosting;

/// <summary>Lets SQLite refuse the text that PostgreSQL cannot hold, so that tests on SQLite see what would fail there.</summary>
internal sealed class PostgresText : DbCommandInterceptor
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        Check(command);
        return ValueTask.FromResult(result);
    }

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        Check(command);
        return ValueTask.FromResult(result);
    }

    private static void Check(DbCommand command)
    {
        foreach (DbParameter parameter in command.Parameters)
        {
            if (parameter.Value is not string text)
                continue;
            _ = Strict.GetByteCount(text);
            if (text.Contains('\0', StringComparison.Ordinal))
                throw new InvalidOperationException($"PostgreSQL refuses U+0000, which is in the parameter {parameter.ParameterName}.");
        }
    }
}
