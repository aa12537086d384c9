namespace Governor.IntegrationTests;

/// <summary>What a Director runs by the clock, measured while it has no work: heartbeat, the looks at what is due and at the
/// outbox, and Quartz's check-in. Whatever else is counted, some work cost.</summary>
internal sealed class StatementClock
{
    private const string Beat = "INSERT INTO heartbeat";
    private const int IdleBeats = 10;
    private const int QuietBeats = 3;

    private readonly StatementCounter counter;
    private readonly TimeSpan patience;
    private readonly Dictionary<(string, bool), double> perBeat;

    private StatementClock(StatementCounter counter, TimeSpan patience, IReadOnlyList<Statement> idle)
    {
        (this.counter, this.patience) = (counter, patience);
        var beats = CallsOf(idle, Beat);
        perBeat = idle.ToDictionary(s => (s.Query, s.TopLevel), s => (double)s.Calls / beats);
    }

    /// <summary>Measures a Director that is idle now.</summary>
    public static async Task<StatementClock> MeasureAsync(StatementCounter counter, TimeSpan patience)
    {
        var before = await counter.CountAsync();
        IReadOnlyList<Statement> idle = [];
        await Eventually.TrueAsync(
            async () => CallsOf(idle = (await counter.CountAsync()).Since(before), Beat) >= IdleBeats, patience, "the Director's heart beats");
        return new StatementClock(counter, patience, idle);
    }

    /// <summary>Waits until, over some beats of the clock, nothing runs but what the clock runs.</summary>
    public async Task WaitUntilQuietAsync()
    {
        var since = await counter.CountAsync();
        await Eventually.TrueAsync(
            async () =>
            {
                var now = await counter.CountAsync();
                var statements = now.Since(since);
                if (!statements.All(IsRun))
                    since = now;
                return CallsOf(statements, Beat) >= QuietBeats && statements.All(IsRun);
            },
            patience, "the Director is idle again");
    }

    /// <summary>Holds every statement to a number of calls; nothing is left out, and those that run by the clock have in addition what
    /// the clock took when idle.</summary>
    public void AssertAtMost(long calls, IReadOnlyList<Statement> statements, string what)
    {
        var beats = CallsOf(statements, Beat);
        var excess = statements
            .Select(s => (Statement: s, Bound: calls + Allowance(s, beats)))
            .Where(s => s.Statement.Calls > s.Bound)
            .Select(s => $"{s.Statement.Calls} calls, at most {s.Bound} expected{(s.Statement.TopLevel ? "" : ", nested")}: {s.Statement.Query}")
            .ToList();
        Assert.True(excess.Count == 0, $"{what}:\n{string.Join("\n\n", excess)}");
    }

    /// <summary>Calls of the statements that contain a text.</summary>
    public static long CallsOf(IEnumerable<Statement> statements, string text) =>
        statements.Where(s => s.Query.Contains(text, StringComparison.Ordinal)).Sum(s => s.Calls);

    private bool IsRun(Statement statement) => perBeat.ContainsKey((statement.Query, statement.TopLevel));

    /// <summary>Twice what the clock took when idle: ticks come in bursts on a busy machine.</summary>
    private long Allowance(Statement statement, long beats) =>
        (long)Math.Ceiling(2 * perBeat.GetValueOrDefault((statement.Query, statement.TopLevel)) * (beats + 1));
}
