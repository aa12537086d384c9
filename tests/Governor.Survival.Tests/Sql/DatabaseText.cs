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

    private static readonly (string Sql, Func<Row, SqlNames, string> Line)[] Tables =
    [
        ("SELECT name, newest_revision, stable_revision FROM configurations",
            (r, names) => $"configuration {r[0]}: newest {r[1]}, stable {r[2]}"),
        ("SELECT 'credential/' || credential, version, version_id, stage, stage_since, revocable_after, revocable_at FROM credential_versions",
            (r, names) => $"version {r[0]}/{r[1]} {names.LabelOf(r[2])}: {r[3]}@{r.Instant(4)}, revocable after {r.Instant(5)}, at {r.Instant(6)}"),
        ("SELECT runtime_id, version_id, generation FROM credential_holdings",
            (r, names) => $"holding {r[0]} {names.LabelOf(r[1])} g{r[2]}"),
        ("SELECT runtime_id, generation FROM retired_runtimes", (r, names) => $"retired {r[0]}: {r[1]}"),
        ("""
         SELECT runtime_id, labels, state, state_since, generation, sent_generation, sent_at, gone_generation, heard_at,
                report_epoch, report_number, reported_generation, epoch, heal_not_before, heal_back_off,
                kid, untrusted_kid, CASE WHEN untrusted_key IS NULL THEN 'False' ELSE 'True' END, key_refused FROM runtimes
         """,
            (r, names) => $"runtime {r[0]}: {(r[1].Contains("\"a\"", StringComparison.Ordinal) ? "a" : "b")} {r[2]}@{r.Instant(3)}, g{r[4]} sent g{r[5]}@{r.Instant(6)} gone g{r[7]}, "
                + $"heard {r.Instant(8)} ({r[9]},{r[10]}) g{r[11]} of epoch {r[12]}, back-off {r.Instant(13)} {r.Duration(14)}, "
                + $"key {FleetKeys.IndexOf(r[15])} untrusted {FleetKeys.IndexOf(r[16])} {r[17]} refused {r.Flag(18)}"),
        ("""
         SELECT runtime_id, item, revision, digest, generation, sent_generation, sent_at, reported, last_good_revision
         FROM assignments
         """,
            (r, names) => $"assignment {r[0]} {r[1]}: {r[2]} {names.LabelOf(r[3])} g{r[4]} sent g{r[5]}@{r.Instant(6)} reported {r.Flag(7)} good {r[8]}"),
        ("SELECT runtime_id, digest FROM rejections", (r, names) => $"rejection {r[0]} {r[1]}"),
        ($"""
          SELECT o.rollout_id, o.state, o.ends_as, o.touched_at, o.next_due_at, o.rollback_of, o.rolled_back_by, {Counters}
          FROM rollouts o JOIN rollout_waves w ON w.rollout_id = o.rollout_id
          """,
            (r, names) => $"rollout {names.KeyOf(r.Id(0))}: {r[1]} ends {r[2]} touched {r.Instant(3)} due {r.Instant(4)} of {names.KeyOf(r.Id(5))} by {names.KeyOf(r.Id(6))}, "
                + $"counts {string.Join(' ', Enumerable.Range(7, Enum.GetValues<TargetState>().Length).Select(i => r[i]))}"),
        ("""
         SELECT rollout_id, runtime_id, state, generation, digest, attempts, former_revision, given_back, dispatched_at, deadline_at
         FROM rollout_targets
         """,
            (r, names) => $"target {names.KeyOf(r.Id(0))} {r[1]}: {r[2]} g{r[3]} {names.LabelOf(r[4])} attempts {r[5]} former {r[6]} given back {r.Flag(7)} {r.Instant(8)}-{r.Instant(9)}"),
    ];

    private const string Actions =
        "SELECT action_id, kind, rollout_id, accepted FROM rollout_actions";

    private static readonly string[] Written =
    [
        "rollout_actions", "rollout_events", "rollout_targets", "rollout_waves", "rollouts", "configuration_revisions", "configurations",
        "assignments", "report_items", "rejections", "drift_findings", "drift_runs", "runtimes", "retired_runtimes", "heartbeat",
        "credential_holdings", "credential_versions", "credentials", "restorations",
    ];

    /// <summary>Empties every table that a history writes.</summary>
    public static Task ClearAsync(DirectorDbContext db) =>
        db.Database.ExecuteSqlRawAsync(string.Concat(Written.Select(table => $"DELETE FROM {table};")));

    /// <summary>Makes a backup of these tables, instead of the last one.</summary>
    public static Task BackUpAsync(DirectorDbContext db) => db.Database.ExecuteSqlRawAsync(string.Concat(
        Written.Select(table => $"DROP TABLE IF EXISTS backup_{table}; CREATE TABLE backup_{table} AS SELECT * FROM {table};")));

    /// <summary>Puts the backup in the place of what is there.</summary>
    public static async Task RestoreAsync(DirectorDbContext db)
    {
        await ClearAsync(db);
        await db.Database.ExecuteSqlRawAsync(string.Concat(
            Written.Reverse().Select(table => $"INSERT INTO {table} SELECT * FROM backup_{table};")));
    }

    /// <param name="db">The database.</param>
    /// <param name="names">What the model calls rollouts, actions and versions.</param>
    public static async Task<string> ReadAsync(DirectorDbContext db, SqlNames names)
    {
        await db.Database.OpenConnectionAsync();
        await using var command = db.Database.GetDbConnection().CreateCommand();
        command.CommandText = string.Join(";\n", Tables.Select(t => t.Sql).Append(Actions));
        var lines = new List<string>();
        await using var reader = await command.ExecuteReaderAsync();
        foreach (var (_, line) in Tables)
        {
            while (await reader.ReadAsync())
                lines.Add(line(new Row(reader), names));
            await reader.NextResultAsync();
        }

        while (await reader.ReadAsync())
            lines.Add($"action {names.NumberOf(reader.GetGuid(0))}: {reader.GetString(1)} {names.KeyOf(reader.GetGuid(2))} {new Row(reader).Flag(3)}");
        lines.Sort(StringComparer.Ordinal);
        return string.Join('\n', lines);
    }

    /// <summary>A row of either database, read as the model writes its own: instants in seconds since the beginning.</summary>
    private readonly struct Row(DbDataReader reader)
    {
        public string this[int column] => reader.IsDBNull(column) ? "" : Convert.ToString(reader.GetValue(column), CultureInfo.InvariantCulture)!;

        public string Flag(int column) => reader.IsDBNull(column) ? "" : reader.GetBoolean(column).ToString();

        public Guid? Id(int column) => reader.IsDBNull(column) ? null : reader.GetGuid(column);

        public string Duration(int column) => Seconds(TimeSpan.FromTicks(reader.GetInt64(column)));

        public string Instant(int column) => reader.IsDBNull(column) ? "" : Seconds(reader.GetValue(column) is long ticks
            ? new DateTimeOffset(ticks, TimeSpan.Zero) - WorldClock.Beginning
            : reader.GetFieldValue<DateTimeOffset>(column) - WorldClock.Beginning);

        private static string Seconds(TimeSpan span) => span.TotalSeconds.ToString(CultureInfo.InvariantCulture);
    }
}
