using Governor.IntegrationTests.Credentials;
using Npgsql;

namespace Governor.IntegrationTests.Fleet;

/// <summary>What a change and a rotation cost the database, as the server counts it: statements grow with chunks and with batches
/// of reports, never with runtimes.</summary>
public sealed class RolloutCostTests(MeasuredFleets fleets) : IClassFixture<MeasuredFleets>
{
    [Fact]
    public async Task Given_fleets_of_50_200_and_1200_When_each_is_rolled_out_to_Then_no_statement_runs_once_per_runtime()
    {
        await AssertNoLogicInTheDatabaseAsync(fleets.Postgres);

        foreach (var size in (int[])[50, 200, 1200])
        {
            await fleets.AssertNothingRunsOncePerRuntimeAsync(size, () => fleets.Api.ChangeAsync(
                $"cost-{size}", Contents.Logging("https://logs.example/cost", MeasuredFleets.Label, $"{size}")));
        }

        Assert.Empty(fleets.Failures);
    }

    [Fact]
    public async Task Given_fleets_of_60_and_600_that_use_a_credential_each_When_it_is_rotated_Then_no_statement_runs_once_per_runtime()
    {
        int[] sizes = [60, 600];
        foreach (var size in sizes)
            await fleets.Api.GivenUsedAsync($"cost-{size}", "one", MeasuredFleets.Label, $"{size}");

        foreach (var size in sizes)
        {
            await fleets.AssertNothingRunsOncePerRuntimeAsync(size, () => fleets.Api.RotateAsync($"cost-{size}", "two"));
            Assert.Equal(["previous", "current"], await fleets.Api.StagesAsync($"cost-{size}"));
            Assert.Equal([(1, 0), (2, size)], await HoldersAsync(fleets.Api, $"cost-{size}"));
        }

        Assert.Empty(fleets.Failures);
    }

    /// <summary>How many may hold each version, as their reports have it.</summary>
    private static async Task<IReadOnlyList<(int Version, int Holders)>> HoldersAsync(DirectorApi api, string credential) =>
    [
        .. (await api.GetAsync($"/admin/credentials/{credential}/usage")).GetProperty("versions").EnumerateArray()
            .Select(v => (v.GetProperty("version").GetInt32(), v.GetProperty("holders").GetInt32())).Order(),
    ];

    /// <summary>No function and no trigger hides a loop: the schema has neither, save what the counting brings along.</summary>
    private static async Task AssertNoLogicInTheDatabaseAsync(string postgres)
    {
        await using var connection = new NpgsqlConnection(postgres);
        await connection.OpenAsync(CancellationToken.None);
        await using var command = new NpgsqlCommand(
            """
            SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
              AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
            UNION ALL
            SELECT t.tgname FROM pg_trigger t WHERE NOT t.tgisinternal
            """, connection);
        var found = new List<string>();
        await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
        while (await reader.ReadAsync(CancellationToken.None))
            found.Add(reader.GetString(0));
        Assert.Empty(found);
    }
}
