using System.Data.Common;
using System.Globalization;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using Governor.Survival.Tests.Fleet;
using Microsoft.EntityFrameworkCore;

namespace Governor.Survival.Tests.Sql;

/// <summary>The tables as text, in the form in which the model tells its own.</summary>
internal static class DatabaseText
{
    private static readonly string Counters =
        string.Join(", ", Enum.GetValues<TargetState>().Select(s => "w." + TargetChanges.Column(s)));

    private static readonly (string Sql, Func<Row, string> Line)[] Tables =
    [
        ("SELECT name, newest_revision, stable_revision FROM configurations",
            r => $"configuration {r[0]}: newest {r[1]}, stable {r[2]}"),
        ("SELECT runtime_id, generation FROM retired_runtimes", r => $"retired {r[0]}: {r[1]}"),
        ("""
         SELECT runtime_id, labels, state, state_since, generation, sent_generation, sent_at, gone_generation, heard_at,
                report_epoch, report_number, reported_generation, epoch, heal_not_before, heal_back_off FROM runtimes
         """,
            r => $"runtime {r[0]}: {(r[1].Contains("\"a\"", StringComparison.Ordinal) ? "a" : "b")} {r[2]}@{r.Instant(3)}, g{r[4]} sent g{r[5]}@{r.Instant(6)} gone g{r[7]}, "
                + $"heard {r.Instant(8)} ({r[9]},{r[10]}) g{r[11]} of epoch {r[12]}, back-off {r.Instant(13)} {r.Duration(14)}"),
        ("""
         SELECT runtime_id, item, revision, digest, generation, sent_generation, sent_at, reported, last_good_revision
         FROM assignments
         """,
            r => $"assignment {r[0]} {r[1]}: {r[2]} {r[3]} g{r[4]} sent g{r[5]}@{r.Instant(6)} reported {r.Flag(7)} good {r[8]}"),
        ("SELECT runtime_id, digest FROM rejections", r => $"rejection {r[0]} {r[1]}"),
        ($"""
          SELECT o.item, o.revision, o.state, o.ends_as, o.touched_at, o.next_due_at, a.item, a.revision,
                 b.item, b.revision, {Counters}
          FROM rollouts o JOIN rollout_waves w ON w.rollout_id = o.rollout_id
          LEFT JOIN rollouts a ON a.rollout_id = o.rollback_of LEFT JOIN rollouts b ON b.rollout_id = o.rolled_back_by
          """,
            r => $"rollout {r.Key(0)}: {r[2]} ends {r[3]} touched {r.Instant(4)} due {r.Instant(5)} of {r.Key(6)} by {r.Key(8)}, "
                + $"counts {string.Join(' ', Enumerable.Range(10, Enum.GetValues<TargetState>().Length).Select(i => r[i]))}"),
        ("""
         SELECT o.item, o.revision, t.runtime_id, t.state, t.generation, t.digest, t.attempts, t.former_revision,
                t.given_back, t.dispatched_at, t.deadline_at
         FROM rollout_targets t JOIN rollouts o ON o.rollout_id = t.rollout_id
         """,
            r => $"target {r.Key(0)} {r[2]}: {r[3]} g{r[4]} {r[5]} attempts {r[6]} former {r[7]} given back {r.Flag(8)} {r.Instant(9)}-{r.Instant(10)}"),
    ];

    private const string Actions =
        "SELECT a.action_id, a.kind, o.item, o.revision, a.accepted FROM rollout_actions a JOIN rollouts o ON o.rollout_id = a.rollout_id";

    private static readonly string[] Written =
    [
        "rollout_actions", "rollout_events", "rollout_targets", "rollout_waves", "rollouts", "configuration_revisions", "configurations",
        "assignments", "report_items", "rejections", "drift_findings", "drift_runs", "runtimes", "retired_runtimes", "heartbeat",
    ];

    /// <summary>Empties every table that a history writes.</summary>
    public static Task ClearAsync(DirectorDbContext db) =>
        db.Database.ExecuteSqlRawAsync(string.Concat(Written.Select(table => $"DELETE FROM {table};")));

    /// <param name="db">The database.</param>
    /// <param name="actions">Ids of the actions, in the order of their requests.</param>
    public static async Task<string> ReadAsync(DirectorDbContext db, List<Guid> actions)
    {
        await db.Database.OpenConnectionAsync();
        await using var command = db.Database.GetDbConnection().CreateCommand();
        command.CommandText = string.Join(";\n", Tables.Select(t => t.Sql).Append(Actions));
        var lines = new List<string>();
        await using var reader = await command.ExecuteReaderAsync();
        foreach (var (_, line) in Tables)
        {
            while (await reader.ReadAsync())
                lines.Add(line(new Row(reader)));
            await reader.NextResultAsync();
        }

        while (await reader.ReadAsync())
            lines.Add($"action {actions.IndexOf(reader.GetGuid(0))}: {reader.GetString(1)} {new Row(reader).Key(2)} {new Row(reader).Flag(4)}");
        lines.Sort(StringComparer.Ordinal);
        return string.Join('\n', lines);
    }

    /// <summary>A row of either database, read as the model writes its own: instants in seconds since the beginning.</summary>
    private readonly struct Row(DbDataReader reader)
    {
        public string this[int column] => reader.IsDBNull(column) ? "" : Convert.ToString(reader.GetValue(column), CultureInfo.InvariantCulture)!;

        public string Flag(int column) => reader.IsDBNull(column) ? "" : reader.GetBoolean(column).ToString();

        public string Key(int column) => reader.IsDBNull(column) ? "" : new RolloutKey(reader.GetString(column), reader.GetInt32(column + 1)).ToString();

        public string Duration(int column) => Seconds(TimeSpan.FromTicks(reader.GetInt64(column)));

        public string Instant(int column) => reader.IsDBNull(column) ? "" : Seconds(reader.GetValue(column) is long ticks
            ? new DateTimeOffset(ticks, TimeSpan.Zero) - WorldClock.Beginning
            : reader.GetFieldValue<DateTimeOffset>(column) - WorldClock.Beginning);

        private static string Seconds(TimeSpan span) => span.TotalSeconds.ToString(CultureInfo.InvariantCulture);
    }
}
