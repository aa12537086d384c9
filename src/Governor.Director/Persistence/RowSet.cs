using System.Data.Common;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Governor.Director.Persistence;

/// <summary>Type of a column of a <see cref="RowSet"/>.</summary>
internal enum ColumnType
{
    Text = 0,
    Integer = 1,
    Boolean = 2,
    Instant = 3,
    Id = 4,
}

/// <summary>Rows that one statement joins with a table, sent as one JSON parameter: the way in which many rows are written
/// by one statement on both databases.</summary>
/// <param name="db">The database that the statement runs on.</param>
/// <param name="columns">Names and types of the columns.</param>
internal sealed class RowSet(DirectorDbContext db, params (string Name, ColumnType Type)[] columns)
{
    private readonly List<object?[]> rows = [];

    public int Count => rows.Count;

    /// <summary>Adds a row; the values stand in the order of the columns.</summary>
    public void Add(params object?[] values) => rows.Add(values);

    /// <summary>Runs a statement in which <c>{rows}</c> stands for a table expression <c>x</c> with the columns, and
    /// <c>@name</c> for the further parameters. Runs nothing when there are no rows.</summary>
    /// <returns>Number of rows that the statement changed.</returns>
    public async Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params (string Name, object? Value)[] further)
    {
        if (rows.Count == 0)
            return 0;

        var parameters = new List<object> { db.Parameter("rows", ToJson()) };
        parameters.AddRange(further.Select(p => db.Parameter(p.Name, p.Value)));
        return await db.Database.ExecuteSqlRawAsync(
            sql.Replace("{rows}", TableExpression(), StringComparison.Ordinal), parameters, cancellationToken);
    }

    private string TableExpression()
    {
        if (db.IsPostgres)
        {
            var typed = columns.Select(c => $"{c.Name} {c.Type switch
            {
                ColumnType.Text => "text",
                ColumnType.Integer => "bigint",
                ColumnType.Boolean => "boolean",
                ColumnType.Instant => "timestamptz",
                _ => "uuid",
            }}");
            return $"jsonb_to_recordset(@rows::jsonb) AS x({string.Join(", ", typed)})";
        }

        var extracted = columns.Select(c => $"value ->> '{c.Name}' AS {c.Name}");
        return $"(SELECT {string.Join(", ", extracted)} FROM json_each(@rows)) AS x";
    }

    private string ToJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            foreach (var row in rows)
            {
                json.WriteStartObject();
                for (var i = 0; i < columns.Length; i++)
                    Write(json, columns[i].Name, row[i]);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private void Write(Utf8JsonWriter json, string name, object? value)
    {
        switch (db.ToStored(value))
        {
            case null: json.WriteNull(name); break;
            case bool flag: json.WriteBoolean(name, flag); break;
            case DateTimeOffset instant: json.WriteString(name, instant); break;
            case string text: json.WriteString(name, text); break;
            case Guid id: json.WriteString(name, id); break;
            case IConvertible number: json.WriteNumber(name, number.ToInt64(CultureInfo.InvariantCulture)); break;
            default: throw new ArgumentException($"A row set cannot hold a {value!.GetType().Name}.", nameof(value));
        }
    }
}

/// <summary>The few places where the two databases differ in statements that are written by hand.</summary>
internal static class Dialect
{
    /// <summary>The clause that locks the rows of a query in the order in which it returns them. SQLite has one writer at a
    /// time, and needs none.</summary>
    public static string ForUpdate(this DirectorDbContext db) => db.IsPostgres ? " FOR UPDATE" : "";

    /// <summary>As <see cref="ForUpdate"/>, leaving out what somebody else has locked.</summary>
    public static string ForShare(this DirectorDbContext db) => db.IsPostgres ? " FOR SHARE" : "";

    /// <inheritdoc cref="ForUpdate"/>
    public static string ForUpdateSkipLocked(this DirectorDbContext db) => db.IsPostgres ? " FOR UPDATE SKIP LOCKED" : "";

    /// <summary>A condition that a column is in the list given as the parameter.</summary>
    /// <remarks>For lists of text; pass the value through <see cref="List(DirectorDbContext, string, IEnumerable{string})"/>.</remarks>
    public static string In(this DirectorDbContext db, string column, string parameter) => db.IsPostgres
        ? $"{column} = ANY(@{parameter})"
        : $"{column} IN (SELECT value FROM json_each(@{parameter}))";

    public static DbParameter List(this DirectorDbContext db, string name, IEnumerable<string> values) => db.IsPostgres
        ? new NpgsqlParameter(name, values.ToArray())
        : new SqliteParameter("@" + name, JsonSerializer.Serialize(values));

    public static DbParameter List(this DirectorDbContext db, string name, IEnumerable<Guid> values) => db.IsPostgres
        ? new NpgsqlParameter(name, values.ToArray())
        : new SqliteParameter("@" + name, JsonSerializer.Serialize(values.Select(id => db.ToStored(id))));

    public static DbParameter Parameter(this DirectorDbContext db, string name, object? value)
    {
        var stored = db.ToStored(value) ?? DBNull.Value;
        return db.IsPostgres ? new NpgsqlParameter(name, stored) : new SqliteParameter("@" + name, stored);
    }

    /// <summary>Labels as the column holds them.</summary>
    public static string LabelsToStored(this DirectorDbContext db, IReadOnlyDictionary<string, string> labels) =>
        (string)db.Model.FindEntityType(typeof(Runtimes.Runtime))!.FindProperty(nameof(Runtimes.Runtime.Labels))!
            .GetValueConverter()!.ConvertToProvider(labels)!;

    /// <summary>A value as the database's columns hold it.</summary>
    public static object? ToStored(this DirectorDbContext db, object? value) => value switch
    {
        Enum name => name.ToString(),
        TimeSpan duration => duration.Ticks,
        DateTimeOffset instant => db.IsPostgres ? instant.ToUniversalTime() : instant.UtcTicks,
        Guid id when !db.IsPostgres => id.ToString().ToUpperInvariant(),
        _ => value,
    };
}
