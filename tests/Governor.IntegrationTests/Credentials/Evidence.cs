using System.Diagnostics;
using System.Text;
using Npgsql;

namespace Governor.IntegrationTests.Credentials;

/// <summary>All that an attacker or an operator may come to see of a Governor: what is on the broker, in the database and in
/// the logs.</summary>
internal sealed class Evidence
{
    private readonly List<(string Place, string Where, byte[] Bytes)> pieces = [];

    /// <summary>Settings that make a program log all that it can.</summary>
    public static (string Key, string? Value)[] EverythingLogged { get; } =
    [
        .. new[]
        {
            "Default", "Governor", "MassTransit", "Quartz", "Npgsql", "System", "Microsoft", "Microsoft.Hosting.Lifetime",
            "Microsoft.AspNetCore.DataProtection", "Microsoft.AspNetCore.DataProtection.KeyManagement.XmlKeyManager",
            "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.EntityFrameworkCore", "Microsoft.EntityFrameworkCore.Database.Command",
            "Microsoft.EntityFrameworkCore.Database.Connection", "Microsoft.EntityFrameworkCore.Database.Transaction",
            "Microsoft.EntityFrameworkCore.Query", "Microsoft.EntityFrameworkCore.Update",
        }.Select(category => ($"Logging__LogLevel__{category}", (string?)"Trace")),
    ];

    /// <summary>Takes what was published, save what the tests sent, and what waits in the queues.</summary>
    public async Task AddMessagesAsync(Sandbox sandbox, Tap tap)
    {
        await tap.CatchUpAsync();
        foreach (var message in tap.Messages)
            Add(message, $"published to {message.Exchange}");
        foreach (var queue in await Tap.WaitingAsync(sandbox))
        {
            foreach (var message in queue)
                Add(message, $"waiting in {queue.Key}");
        }
    }

    /// <summary>Takes a dump of the database.</summary>
    public async Task AddDatabaseAsync(Sandbox sandbox) => pieces.Add(("database", "dump", await DumpAsync(sandbox)));

    /// <summary>Takes what a program has logged.</summary>
    public void AddLog(string program, string log) => pieces.Add(("log", program, Encoding.UTF8.GetBytes(log)));

    /// <summary>Takes the answer to a request.</summary>
    public void AddAnswer(string answer) => pieces.Add(("answer", "answer", Encoding.UTF8.GetBytes(answer)));

    /// <summary>The places in which a text is, in whatever form.</summary>
    public IReadOnlyList<string> PlacesOf(string text)
    {
        var scanner = new SecretScanner(text);
        return [.. pieces.Where(p => scanner.FindIn(p.Bytes).Count > 0).Select(p => p.Place).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>Fails if a text is anywhere, in whatever form.</summary>
    public void AssertNowhere(string text)
    {
        var scanner = new SecretScanner(text);
        var found = from piece in pieces
                    from form in scanner.FindIn(piece.Bytes)
                    select $"{piece.Place}: {piece.Where}, as {form}";
        Assert.Empty(found.Distinct(StringComparer.Ordinal));
    }

    /// <summary>A database as text, with all that is in it.</summary>
    public static async Task<byte[]> DumpAsync(Sandbox sandbox)
    {
        var server = new NpgsqlConnectionStringBuilder(sandbox.Postgres);
        var start = new ProcessStartInfo("pg_dump", [sandbox.Name])
        {
            UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["PGHOST"] = server.Host;
        start.Environment["PGPORT"] = $"{server.Port}";
        start.Environment["PGUSER"] = server.Username;
        start.Environment["PGPASSWORD"] = server.Password;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var dump = new MemoryStream();
        await process.StandardOutput.BaseStream.CopyToAsync(dump, CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        Assert.True(process.ExitCode == 0, await errors);
        return dump.ToArray();
    }

    private void Add(WireMessage message, string where)
    {
        if (message.AppId == AmqpClient.AppId)
            return;
        pieces.Add(("message", where, message.Body));
        pieces.Add(("message", where, Encoding.UTF8.GetBytes(message.Properties)));
    }
}
