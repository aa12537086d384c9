using Npgsql;

namespace Governor.IntegrationTests;

public sealed class StatementCounterTests
{
    [Fact]
    public async Task Given_a_function_that_hides_a_loop_When_it_is_called_Then_its_inner_statements_are_counted_too()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await ExecuteAsync(sandbox, "CREATE TABLE items (id integer)");
        await ExecuteAsync(
            sandbox,
            """
            CREATE FUNCTION add_items(many integer) RETURNS void LANGUAGE plpgsql AS
            $$ BEGIN FOR i IN 1..many LOOP INSERT INTO items (id) VALUES (i); END LOOP; END $$
            """);
        var counter = await StatementCounter.CreateAsync(sandbox.Postgres);
        var before = await counter.CountAsync();

        await ExecuteAsync(sandbox, "SELECT add_items(7)");
        await ExecuteAsync(sandbox, "SELECT add_items(5)");

        var statements = (await counter.CountAsync()).Since(before);
        Assert.Equal(2, Assert.Single(statements, s => s.TopLevel && s.Query.Contains("add_items", StringComparison.Ordinal)).Calls);
        Assert.Equal(12, Assert.Single(statements, s => !s.TopLevel && s.Query.StartsWith("INSERT INTO items", StringComparison.Ordinal)).Calls);
    }

    private static async Task ExecuteAsync(Sandbox sandbox, string sql)
    {
        await using var connection = new NpgsqlConnection(sandbox.Postgres);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }
}
