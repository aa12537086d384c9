using Governor.Contracts;
using Governor.Director.Configurations;
using Governor.Director.Persistence;
using Governor.Messaging.Sealing;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Runtimes;

/// <summary>Takes enrolments in batches: pins each Agent's first key, and asks for a report where nobody reports.</summary>
internal sealed partial class EnrolmentConsumer(
    IServiceScopeFactory scopes, TimeProvider clock, ILogger<EnrolmentConsumer> logger) : IConsumer<Batch<AgentEnrolled>>
{
    /// <summary>Name of the queue.</summary>
    public const string Queue = "governor-enrolments";

    public async Task Consume(ConsumeContext<Batch<AgentEnrolled>> context)
    {
        await using var scope = scopes.CreateAsyncScope();
        await EnrolAsync(scope.ServiceProvider, [.. context.Message.Select(m => m.Message)], context.CancellationToken);
    }

    private async Task EnrolAsync(
        IServiceProvider services, IReadOnlyCollection<AgentEnrolled> batch, CancellationToken cancellationToken)
    {
        var db = services.GetRequiredService<DirectorDbContext>();
        var bus = services.GetRequiredService<IPublishEndpoint>();
        var now = clock.GetUtcNow();
        var enrolments = batch.Where(IsReadable).ToLookup(e => e.RuntimeId, StringComparer.Ordinal);
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var runtimes = await db.Runtimes
            .FromSqlRaw(
                $"SELECT * FROM runtimes WHERE {db.In("runtime_id", "ids")} ORDER BY runtime_id{db.ForUpdate()}",
                db.List("ids", enrolments.Select(e => e.Key)))
            .AsNoTracking().ToListAsync(cancellationToken);

        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("epoch", ColumnType.Integer), ("kid", ColumnType.Text),
            ("public_key", ColumnType.Text), ("untrusted_kid", ColumnType.Text), ("untrusted_key", ColumnType.Text));
        var pinned = new List<string>();
        foreach (var runtime in runtimes)
        {
            var hadKey = runtime.Kid is not null;
            foreach (var enrolment in enrolments[runtime.RuntimeId])
                Pin(runtime, enrolment);
            if (!hadKey && runtime.Kid is not null)
                pinned.Add(runtime.RuntimeId);

            // An enrolment of a standby stays unanswered while the active Agent reports, so that nothing is sent in a
            // steady state. The first one of a start is answered: the last report may be its predecessor's.
            var quiet = runtime.HeardAt is { } heard && now - heard <= runtime.ReportInterval * 1.5;
            if (!quiet || enrolments[runtime.RuntimeId].Any(e => e.Start))
            {
                runtime.Epoch = Math.Max(runtime.Epoch, runtime.ReportEpoch) + 1;
                await bus.Publish(new ReportRequested(runtime.RuntimeId, runtime.Epoch), cancellationToken);
            }

            rows.Add(runtime.RuntimeId, runtime.Epoch, runtime.Kid, runtime.PublicKey, runtime.UntrustedKid, runtime.UntrustedKey);
        }

        await rows.ExecuteAsync(
            """
            UPDATE runtimes AS r SET epoch = x.epoch, kid = x.kid, public_key = x.public_key, untrusted_kid = x.untrusted_kid,
                untrusted_key = x.untrusted_key
            FROM {rows} WHERE r.runtime_id = x.runtime_id
            """, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);

        // In a transaction of its own: what waits for a key comes before the runtimes in the order of locks. Lost, it is made up
        // for by the next report.
        if (pinned.Count > 0)
            await services.GetRequiredService<Readiness>().ServeKeyedAsync(pinned, now, cancellationToken);
    }

    /// <summary>Enrolments come from outside: a broken one must not take the others of its batch with it.</summary>
    private static bool IsReadable(AgentEnrolled e) =>
        DnsLabel.IsValid(e.RuntimeId) && e.PublicKey is { Kid.Length: > 0 and <= 128 } key
        && new[] { key.Kid, key.Kty, key.Crv, key.X, key.Y, e.Kind ?? "" }.All(t => t is { Length: <= 128 } && t.All(char.IsAscii)
            && !t.Contains('\0', StringComparison.Ordinal))
        && SealingKeyPair.IsValid(key);

    private void Pin(Runtime runtime, AgentEnrolled enrolment)
    {
        if (runtime.Kind != enrolment.Kind)
            LogOtherKind(runtime.RuntimeId, runtime.Kind, enrolment.Kind);
        if (runtime.Shows(enrolment.PublicKey))
            LogOtherKey(runtime.RuntimeId, enrolment.PublicKey.Kid, runtime.Kid!);
    }

    [LoggerMessage(2302, LogLevel.Warning,
        "Runtime {RuntimeId} is registered as {Registered}, but its Agent says that it is {Enrolled}; correct Agent__Kind or register it anew")]
    private partial void LogOtherKind(string runtimeId, string registered, string enrolled);

    [LoggerMessage(2303, LogLevel.Warning,
        "The Agent of runtime {RuntimeId} shows the key {Shown}, not the pinned {Pinned}; secrets stay sealed to the pinned one until an operator trusts it, POST /api/v1/runtimes/{RuntimeId}/trust-key")]
    private partial void LogOtherKey(string runtimeId, string shown, string pinned);
}
