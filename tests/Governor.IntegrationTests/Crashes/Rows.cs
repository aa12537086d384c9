using Npgsql;

namespace Governor.IntegrationTests.Crashes;

/// <summary>Looks into a sandbox's database from outside: how a test sees that a process has come to a certain point.</summary>
internal sealed class Rows(string connectionString) : IAsyncDisposable
{
    // Without a pool: a session that a killed process shares with nobody, and which a restarted server takes along.
    private readonly NpgsqlDataSource source = NpgsqlDataSource.Create($"{connectionString};Pooling=false;Application Name=test");

    public static Rows Of(Sandbox sandbox) => new(sandbox.Postgres);

    /// <summary>The first column of the first row; the default if there is none.</summary>
    public async Task<T?> ScalarAsync<T>(string sql, params object[] parameters)
    {
        await using var command = Command(sql, parameters);
        return await command.ExecuteScalarAsync(CancellationToken.None) is T value ? value : default;
    }

    /// <summary>The first column of all rows.</summary>
    public async Task<IReadOnlyList<T>> ColumnAsync<T>(string sql, params object[] parameters)
    {
        await using var command = Command(sql, parameters);
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        var values = new List<T>();
        while (await reader.ReadAsync(CancellationToken.None))
            values.Add(await reader.GetFieldValueAsync<T>(0, CancellationToken.None));
        return values;
    }

    /// <summary>Waits until a query answers with a number of at least this.</summary>
    public Task WaitForAsync(long atLeast, string sql, params object[] parameters) => Eventually.TrueAsync(
        async () => await ScalarAsync<long>(sql, parameters) >= atLeast, Fleet.RunningDirector.Patience,
        $"at least {atLeast} from {sql}");

    /// <summary>Holds what a statement locks until the hold is disposed of: whoever needs it waits.</summary>
    public async Task<IAsyncDisposable> HoldAsync(string sql, params object[] parameters)
    {
        var connection = await source.OpenConnectionAsync(CancellationToken.None);
        var transaction = await connection.BeginTransactionAsync(CancellationToken.None);
        await using var command = new NpgsqlCommand(sql, connection, transaction);
        Add(command, parameters);
        await command.ExecuteNonQueryAsync(CancellationToken.None);
        return new Hold(connection, transaction);
    }

    public ValueTask DisposeAsync() => source.DisposeAsync();

    private NpgsqlCommand Command(string sql, object[] parameters)
    {
        var command = source.CreateCommand(sql);
        Add(command, parameters);
        return command;
    }

    private static void Add(NpgsqlCommand command, object[] parameters)
    {
        foreach (var parameter in parameters)
            command.Parameters.Add(new NpgsqlParameter { Value = parameter });
    }

    private sealed class Hold(NpgsqlConnection connection, NpgsqlTransaction transaction) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await transaction.DisposeAsync();
            await connection.DisposeAsync();
        }
    }
}
