using Npgsql;

namespace Governor.IntegrationTests.Fleet;

/// <summary>What a rollout costs the database, as the server counts it: statements grow with chunks and with batches of
/// reports, never with runtimes.</summary>
public sealed class RolloutCostTests
{
    private const int RuntimesPerChunk = 500;

    /// <summary>Most calls of one statement for each chunk or batch: both take several transactions.</summary>
    private const int CallsPerUnit = 4;

    /// <summary>What a rollout of any size takes besides: accepting, starting, ending and sweeping it.</summary>
    private const int Constant = 6;

    private const string Beat = "INSERT INTO heartbeat";
    private const string ChunkIsSent = "UPDATE runtimes AS r SET generation = ";
    private const string BatchIsRecorded = "UPDATE runtimes AS r SET heard_at = ";
    private static readonly TimeSpan Patience = RunningDirector.Patience;

    [Fact]
    public async Task Given_fleets_of_50_200_and_1200_When_each_is_rolled_out_to_Then_no_statement_runs_once_per_runtime()
    {
        int[] sizes = [50, 200, 1200];
        await using var sandbox = await Sandbox.CreateAsync();
        var counter = await StatementCounter.CreateAsync(sandbox.Postgres);
        await using var director = await RunningDirector.StartAsync(sandbox);
        var ids = sizes.ToDictionary(size => size, Ids);
        foreach (var size in sizes)
            await director.Api.RegisterAsync(ids[size], ("size", $"{size}"));
        string[] all = [.. ids.Values.SelectMany(each => each)];
        await director.Api.WaitUntilProvisionedAsync(all);
        await using var fleet = await SimulatedFleet.StartAsync(sandbox.RabbitMq, all);
        await director.Api.WaitUntilHeardAsync(all);
        await WaitUntilDriftHasRunAsync(sandbox);
        var clock = await MeasureIdleAsync(counter);
        await AssertNoLogicInTheDatabaseAsync(sandbox);

        foreach (var size in sizes)
            await RollOutAsync(director, fleet, counter, clock, ids[size], $"{size}");
        Assert.Empty(fleet.Failures);
    }

    private static string[] Ids(int size) => [.. Enumerable.Range(1, size).Select(n => $"cost-{size}-{n}")];

    /// <summary>Rolls out in two halves, each counted on its own: first nobody answers, then all do at once.</summary>
    private static async Task RollOutAsync(
        RunningDirector director, SimulatedFleet fleet, StatementCounter counter, Clock clock, string[] ids, string size)
    {
        var agents = Array.ConvertAll(ids, id => fleet.Agents[id]);
        var chunks = (ids.Length + RuntimesPerChunk - 1) / RuntimesPerChunk;
        var before = Array.ConvertAll(agents, agent => agent.Received.Count);
        Array.ForEach(agents, agent => agent.Silent = true);
        var atStart = await counter.CountAsync();

        var rolloutId = await director.Api.ChangeAsync($"cost-{size}", Contents.Logging("https://logs.example/cost", "size", size));
        await Eventually.TrueAsync(
            () => Task.FromResult(!agents.Where((agent, i) => agent.Received.Count == before[i]).Any()), Patience, "every runtime is sent to");
        await WaitUntilQuietAsync(counter, clock);
        var atHalf = await counter.CountAsync();
        var dispatch = atHalf.Since(atStart);
        Assert.Equal(chunks, CallsOf(dispatch, ChunkIsSent));
        Assert.Equal(0, CallsOf(dispatch, BatchIsRecorded));
        AssertBounded($"dispatch to {size}", dispatch, chunks, clock);

        Array.ForEach(agents, agent => agent.Silent = false);
        await Task.WhenAll(ids.Select(fleet.ReportAsync));
        await WaitUntilQuietAsync(counter, clock); // asking the Director would cost statements too
        var reports = (await counter.CountAsync()).Since(atHalf);
        var batches = CallsOf(reports, BatchIsRecorded);
        Assert.True(batches > 0);
        Assert.Contains(reports, IsLoadOfTheSaga);
        AssertBounded($"reports of {size}", reports, batches, clock);

        var rollout = await director.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        Assert.Equal(ids.Length, rollout.GetProperty("counts").GetProperty("Applied").GetInt32());
    }

    private static bool IsLoadOfTheSaga(Statement statement) =>
        statement.Query.Contains("FROM \"rollouts\"", StringComparison.Ordinal) && statement.Query.Contains("FOR UPDATE", StringComparison.Ordinal);

    /// <summary>Nothing is left out: statements that run by the clock have in addition what the clock took when idle.</summary>
    private static void AssertBounded(string what, IReadOnlyList<Statement> statements, long units, Clock clock)
    {
        var beats = CallsOf(statements, Beat);
        var excess = statements
            .Select(s => (Statement: s, Bound: (CallsPerUnit * (units + Constant)) + clock.Allowance(s, beats)))
            .Where(s => s.Statement.Calls > s.Bound)
            .Select(s => $"{s.Statement.Calls} calls, at most {s.Bound} expected{(s.Statement.TopLevel ? "" : ", nested")}: {s.Statement.Query}")
            .ToList();
        Assert.True(excess.Count == 0, $"{what}, {units} chunks or batches:\n{string.Join("\n\n", excess)}");
    }

    private static long CallsOf(IEnumerable<Statement> statements, string text) =>
        statements.Where(s => s.Query.Contains(text, StringComparison.Ordinal)).Sum(s => s.Calls);

    /// <summary>Counts what a Director without work does: heartbeat, the looks at what is due and at the outbox, and
    /// Quartz's check-in.</summary>
    private static async Task<Clock> MeasureIdleAsync(StatementCounter counter)
    {
        var before = await counter.CountAsync();
        IReadOnlyList<Statement> idle = [];
        await Eventually.TrueAsync(
            async () => CallsOf(idle = (await counter.CountAsync()).Since(before), Beat) >= 10, Patience, "the Director's heart beats");
        return new Clock(idle, CallsOf(idle, Beat));
    }

    /// <summary>Waits until, over some beats of the clock, nothing runs but what the clock runs.</summary>
    private static async Task WaitUntilQuietAsync(StatementCounter counter, Clock clock)
    {
        var since = await counter.CountAsync();
        await Eventually.TrueAsync(
            async () =>
            {
                var now = await counter.CountAsync();
                var statements = now.Since(since);
                if (statements.Any(s => !clock.Runs(s)))
                    since = now;
                return CallsOf(statements, Beat) >= 3 && statements.All(clock.Runs);
            },
            Patience, "the Director is idle again");
    }

    private static async Task WaitUntilDriftHasRunAsync(Sandbox sandbox)
    {
        await using var connection = new NpgsqlConnection(sandbox.Postgres);
        await connection.OpenAsync(CancellationToken.None);
        await using var command = new NpgsqlCommand(
            """
            SELECT EXISTS (SELECT FROM qrtz_simple_triggers WHERE times_triggered > 0)
               AND NOT EXISTS (SELECT FROM qrtz_fired_triggers WHERE state = 'EXECUTING')
            """, connection);
        await Eventually.TrueAsync(
            async () => (bool)(await command.ExecuteScalarAsync(CancellationToken.None))!, Patience, "the drift job's first run is over");
    }

    /// <summary>No function and no trigger hides a loop: the schema has neither, save what the counting brings along.</summary>
    private static async Task AssertNoLogicInTheDatabaseAsync(Sandbox sandbox)
    {
        await using var connection = new NpgsqlConnection(sandbox.Postgres);
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

    /// <summary>What runs by the clock, measured while nothing else ran.</summary>
    private sealed class Clock(IReadOnlyList<Statement> idle, long beats)
    {
        private readonly Dictionary<(string, bool), double> perBeat =
            idle.ToDictionary(s => (s.Query, s.TopLevel), s => (double)s.Calls / beats);

        public bool Runs(Statement statement) => perBeat.ContainsKey((statement.Query, statement.TopLevel));

        /// <summary>Twice what the clock took when idle: ticks come in bursts on a busy machine.</summary>
        public long Allowance(Statement statement, long during) =>
            (long)Math.Ceiling(2 * perBeat.GetValueOrDefault((statement.Query, statement.TopLevel)) * (during + 1));
    }
}
