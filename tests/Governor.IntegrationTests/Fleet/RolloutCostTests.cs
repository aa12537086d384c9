using Npgsql;

namespace Governor.IntegrationTests.Fleet;

/// <summary>What a rollout costs the database, as the server counted it: its statements grow with chunks and report batches,
/// never with runtimes.</summary>
public sealed class RolloutCostTests
{
    private const int ChunkSize = 500;

    /// <summary>Most calls of one statement per chunk or report batch. A batch wakes the saga once, and the saga looks at
    /// deadlines, counters and what waits; a chunk does the same and writes.</summary>
    private const int PerStep = 3;

    /// <summary>Calls that a rollout costs however small it is: accepting, starting, ending, sweeping.</summary>
    private const int PerRollout = 12;

    /// <summary>Marks the statements with which this test looks at the database.</summary>
    private const string Watched = "watched_by_the_test";

    /// <summary>What runs by the clock, and so says nothing of a rollout.</summary>
    private static readonly (string Text, string Why)[] ByTheClock =
    [
        (Watched, "this test's own looks"),
        ("heartbeat", "each Director says each second that it listens"),
        ("next_due_at IS NOT NULL", "each Director looks each second what is due"),
        ("SKIP LOCKED", "the outbox looks each second, and after each commit, whether something waits"),
        ("QRTZ_", "Quartz keeps its schedule and its cluster"),
        ("qrtz_", "Quartz keeps its schedule and its cluster"),
        ("pg_advisory", "the drift run that follows a start"),
        ("BEGIN", "opens the transactions of all of these"),
        ("COMMIT", "ends the transactions of all of these"),
        ("ROLLBACK", "ends the transactions of looks that found nothing"),
        ("DISCARD ALL", "the connection pool"),
    ];

    [Fact]
    public async Task Given_50_200_and_1200_runtimes_When_each_fleet_gets_a_change_Then_no_statement_runs_once_per_runtime()
    {
        int[] sizes = [50, 200, 1200];
        await using var sandbox = await Sandbox.CreateAsync();
        await using var director = await RunningDirector.StartAsync(sandbox);
        var ids = Enumerable.Range(1, sizes.Max()).Select(n => $"sim-{n:D4}").ToList();
        await director.Api.RegisterAsync(ids.Select((id, at) => (id, sizes.Where(size => at < size)
            .ToDictionary(size => $"among-{size}", _ => "true", StringComparer.Ordinal))));
        await director.Api.WaitUntilProvisionedAsync(ids);
        await using var fleet = await SimulatedFleet.StartAsync(sandbox.RabbitMq, ids);
        await director.Api.WaitUntilHeardAsync(ids);

        await using var source = NpgsqlDataSource.Create(sandbox.Postgres);
        var counter = await StatementCounter.CreateAsync(sandbox.Postgres);
        foreach (var size in sizes)
        {
            var before = await counter.CountAsync();
            var rolloutId = await director.Api.ChangeAsync($"cost-{size}",
                $$"""{"components":[{"name":"cost-{{size}}","type":"bindings.http"}],"target":{"matchLabels":{"among-{{size}}":"true"} } }""");
            await WaitUntilQuietAsync(source, rolloutId);
            var statements = (await counter.CountAsync()).Since(before);

            var rollout = await director.Api.GetAsync($"/admin/rollouts/{rolloutId}");
            Assert.Equal("Succeeded", DirectorApi.Text(rollout, "state"));
            Assert.Equal(size, rollout.GetProperty("counts").GetProperty("Applied").GetInt32());
            AssertBounded(size, statements);
        }
    }

    private static void AssertBounded(int size, IReadOnlyList<Statement> statements)
    {
        var chunks = Calls(statements, "INSERT INTO assignments");
        var batches = Calls(statements, "UPDATE runtimes AS r SET heard_at");
        Assert.True(chunks >= (size + ChunkSize - 1) / ChunkSize, $"{size} runtimes took {chunks} chunks.");
        Assert.True(batches >= 1 && batches < size, $"{size} runtimes were recorded in {batches} batches.");

        var bound = PerRollout + (PerStep * (chunks + batches));
        var counted = statements
            .Where(s => !ByTheClock.Any(clock => s.Query.Contains(clock.Text, StringComparison.Ordinal))).ToList();
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{size} runtimes: {chunks} chunks, {batches} report batches, {counted.Sum(s => s.Calls)} statements of {counted.Count} kinds, at most {counted.Max(s => s.Calls)} of one kind (bound {bound})");
        var beyond = counted.Where(s => s.Calls > bound).ToList();
        Assert.True(beyond.Count == 0,
            $"A rollout to {size} runtimes took {chunks} chunks and {batches} report batches, so {bound} calls are the bound. Beyond it:\n"
            + string.Join("\n", beyond.Select(s => $"{s.Calls} calls, {(s.TopLevel ? "sent by a client" : "from within the server")}: {s.Query}")));
    }

    private static long Calls(IEnumerable<Statement> statements, string start) => statements
        .Where(s => s.TopLevel && s.Query.TrimStart().StartsWith(start, StringComparison.Ordinal)).Sum(s => s.Calls);

    /// <summary>Waits for the end of the rollout and of what follows it, by looks that can be told apart from the Director's
    /// own statements.</summary>
    private static Task WaitUntilQuietAsync(NpgsqlDataSource source, string rolloutId) => Eventually.TrueAsync(
        async () =>
        {
            await using var command = source.CreateCommand(
                $"""
                 SELECT count(*) = 0 AS {Watched} FROM (
                     SELECT 1 FROM rollouts WHERE rollout_id = $1 AND ended_at IS NULL
                     UNION ALL SELECT 1 FROM outbox_message
                     UNION ALL SELECT 1 FROM runtimes WHERE reported_generation < generation) AS pending
                 """);
            command.Parameters.AddWithValue(Guid.Parse(rolloutId));
            return (bool)(await command.ExecuteScalarAsync(CancellationToken.None))!;
        },
        RunningDirector.Patience, "the rollout ends and its messages leave");
}
