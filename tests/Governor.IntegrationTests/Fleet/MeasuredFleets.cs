using Npgsql;

namespace Governor.IntegrationTests.Fleet;

/// <summary>A Director with simulated fleets of several sizes, and the count of what rollouts to each cost the database; shared by the
/// tests of a class, each of which has fleets of its own.</summary>
public sealed class MeasuredFleets : IAsyncLifetime
{
    /// <summary>The label that tells the fleets apart: its value is the size.</summary>
    internal const string Label = "size";

    private const int RuntimesPerChunk = 500;

    /// <summary>Most calls of one statement for each chunk or batch: both take several transactions.</summary>
    private const int CallsPerUnit = 4;

    /// <summary>What a rollout of any size takes besides: accepting, starting, ending and sweeping it.</summary>
    private const int Constant = 6;

    /// <summary>The fleets that prove it: a smaller one may answer in so many batches that a statement for each runtime would pass.</summary>
    private const int LeastMeasured = 600;

    private const string ChunkIsSent = "UPDATE runtimes AS r SET generation = ";
    private const string BatchIsRecorded = "UPDATE runtimes AS r SET heard_at = ";

    private static readonly int[] Sizes = [50, 200, 1200, 60, 600];
    private static readonly TimeSpan Patience = RunningDirector.Patience;

    private readonly Dictionary<int, string[]> ids =
        Sizes.ToDictionary(size => size, size => Enumerable.Range(1, size).Select(n => $"cost-{size}-{n}").ToArray());

    private Sandbox? sandbox;
    private RunningDirector? director;
    private SimulatedFleet? fleet;
    private StatementCounter? counter;
    private StatementClock? clock;

    /// <summary>The Director.</summary>
    internal DirectorApi Api => director!.Api;

    /// <summary>The database that is counted in.</summary>
    internal string Postgres => sandbox!.Postgres;

    /// <summary>What went wrong at an Agent, if anything did.</summary>
    internal IReadOnlyList<Exception> Failures => fleet!.Failures;

    /// <summary>Starts all, and measures the clock once all is quiet.</summary>
    public async ValueTask InitializeAsync()
    {
        sandbox = await Sandbox.CreateAsync();
        counter = await StatementCounter.CreateAsync(sandbox.Postgres);
        director = await RunningDirector.StartAsync(sandbox);
        foreach (var size in Sizes)
            await Api.RegisterAsync(ids[size], (Label, $"{size}"));
        string[] all = [.. ids.Values.SelectMany(each => each)];
        await Api.WaitUntilProvisionedAsync(all);
        fleet = await SimulatedFleet.StartAsync(sandbox.RabbitMq, all);
        await Api.WaitUntilHeardAsync(all);
        await WaitUntilDriftHasRunAsync(sandbox);
        clock = await StatementClock.MeasureAsync(counter, Patience);
    }

    public async ValueTask DisposeAsync()
    {
        if (fleet is not null)
            await fleet.DisposeAsync();
        if (director is not null)
            await director.DisposeAsync();
        if (sandbox is not null)
            await sandbox.DisposeAsync();
    }

    /// <summary>Rolls out in two halves, each counted on its own: first nobody answers, then all do at once. What was
    /// asked for before costs nothing here.</summary>
    /// <param name="size">The fleet, all of which is concerned.</param>
    /// <param name="begin">Asks for the rollout, and returns its id.</param>
    internal async Task AssertNothingRunsOncePerRuntimeAsync(int size, Func<Task<string>> begin)
    {
        var agents = Array.ConvertAll(ids[size], id => fleet!.Agents[id]);
        var chunks = (size + RuntimesPerChunk - 1) / RuntimesPerChunk;
        var before = Array.ConvertAll(agents, agent => agent.Received.Count);
        Array.ForEach(agents, agent => agent.Silent = true);
        await clock!.WaitUntilQuietAsync();
        var atStart = await counter!.CountAsync();

        var rolloutId = await begin();
        await Eventually.TrueAsync(
            () => Task.FromResult(!agents.Where((agent, i) => agent.Received.Count == before[i]).Any()), Patience, "every runtime is sent to");
        await clock!.WaitUntilQuietAsync();
        var atHalf = await counter!.CountAsync();
        var dispatch = atHalf.Since(atStart);
        Assert.Equal(chunks, StatementClock.CallsOf(dispatch, ChunkIsSent));
        Assert.Equal(0, StatementClock.CallsOf(dispatch, BatchIsRecorded));
        AssertBounded("Dispatch", size, dispatch, chunks);

        Array.ForEach(agents, agent => agent.Silent = false);
        await Task.WhenAll(ids[size].Select(fleet!.ReportAsync));
        await clock!.WaitUntilQuietAsync(); // asking the Director would cost statements too
        var reports = (await counter!.CountAsync()).Since(atHalf);
        var batches = StatementClock.CallsOf(reports, BatchIsRecorded);
        Assert.True(batches > 0);
        Assert.True(size < LeastMeasured || CallsPerUnit * (batches + Constant) < size, $"{batches} batches of {size} reports: a statement per runtime would pass.");
        Assert.Contains(reports, IsLoadOfTheSaga);
        AssertBounded("Reports", size, reports, batches);

        var rollout = await Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        Assert.Equal(size, rollout.GetProperty("counts").GetProperty("Applied").GetInt32());
    }

    private static bool IsLoadOfTheSaga(Statement statement) =>
        statement.Query.Contains("FROM \"rollouts\"", StringComparison.Ordinal) && statement.Query.Contains("FOR UPDATE", StringComparison.Ordinal);

    private void AssertBounded(string what, int size, IReadOnlyList<Statement> statements, long units) =>
        clock!.AssertAtMost(CallsPerUnit * (units + Constant), statements, $"{what} of {size}, {units} chunks or batches");

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
}
