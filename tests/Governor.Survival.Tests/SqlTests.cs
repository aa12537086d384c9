using Governor.Survival.Tests.Sql;

namespace Governor.Survival.Tests;

/// <summary>The same histories through the Director's SQL, which must come to the same as the model after every step.</summary>
public sealed class SqliteTests
{
    [Fact]
    public async Task Given_any_history_When_it_runs_on_SQLite_Then_every_step_does_what_the_model_does()
    {
        await using var store = await SqlStore.OnSqliteAsync();
        SqlSurvival.Check(store);
    }
}

/// <inheritdoc cref="SqliteTests"/>
public sealed class PostgresTests
{
    [Fact]
    public async Task Given_any_history_When_it_runs_on_PostgreSQL_Then_every_step_does_what_the_model_does()
    {
        await using var store = await SqlStore.OnPostgresAsync();
        SqlSurvival.Check(store);
    }
}

internal static class SqlSurvival
{
    private const int Histories = 100;
    private const int MostOperations = 24;

    public static void Check(SqlStore store) => Survival.Check(Histories, (history, trace) =>
    {
        store.Director.Reset();
        new World(history, twin: store.Director, clock: store.Clock, trace: trace).Run();
    }, MostOperations);
}
