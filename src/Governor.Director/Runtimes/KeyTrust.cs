using Governor.Director.Configurations;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Runtimes;

/// <summary>What an operator trusts.</summary>
internal sealed record TrustedKey(string RuntimeId, string Kid);

/// <summary>An operator accepts the key that a runtime's Agent shows instead of the pinned one; what could not be opened is
/// sealed again at once.</summary>
internal sealed partial class KeyTrust(DirectorDbContext db, Readiness readiness, TimeProvider clock, ILogger<KeyTrust> logger)
{
    public static async Task<IResult> PostAsync(string runtimeId, HttpContext http, KeyTrust trust, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var body = await http.ReadBodyAsync("body-too-large", cancellationToken);
        if ((tenant.Refusal ?? body.Refusal) is { } refusal)
            return refusal.ToProblem();
        var asked = SmallBody.Read(body.Value!, ["kid"],
            fields => new TrustedKey(runtimeId, fields.Required("kid", "name the key that the Agent shows, `untrustedKid` of the runtime")?.AsText() ?? ""));
        if (!asked.Succeeded)
            return asked.Refusal.ToProblem();

        var outcome = await trust.TrustAsync(tenant.Value!, asked.Value, http.RequestedBy(), cancellationToken);
        return outcome.Succeeded ? TypedResults.Ok(outcome.Value) : outcome.Refusal.ToProblem();
    }

    private async Task<Outcome<TrustedKey>> TrustAsync(
        string tenant, TrustedKey asked, string requestedBy, CancellationToken cancellationToken)
    {
        await using (var transaction = await db.Database.BeginTransactionAsync(cancellationToken))
        {
            var runtime = await db.Runtimes
                .FromSqlRaw(
                    $"SELECT * FROM runtimes WHERE runtime_id = @id AND tenant = @tenant{db.ForUpdate()}",
                    db.Parameter("id", asked.RuntimeId), db.Parameter("tenant", tenant))
                .SingleOrDefaultAsync(cancellationToken);
            if (runtime is null)
                return FleetRegistry.NotFound(asked.RuntimeId);
            if (runtime.Kid != asked.Kid && (runtime.UntrustedKid != asked.Kid || runtime.UntrustedKey is null))
            {
                return new Refusal(StatusCodes.Status409Conflict, "key-not-shown", runtime.UntrustedKid is null
                    ? $"The Agent of runtime '{asked.RuntimeId}' shows no other key than the pinned {runtime.Kid ?? "(none yet)"}; there is nothing to trust."
                    : $"The Agent of runtime '{asked.RuntimeId}' shows the key {runtime.UntrustedKid}{(runtime.UntrustedKey is null ? ", and is asked for it; try again in a moment" : "")}. Compare it with what the Agent logs at its start.");
            }

            if (runtime.Kid != asked.Kid)
            {
                runtime.Trust();
                runtime.Version++;
                await db.SaveChangesAsync(cancellationToken);
                await transaction.CommitAsync(cancellationToken);
                LogTrusted(asked.RuntimeId, asked.Kid, requestedBy);
            }
        }

        // What waits for the key comes before the runtimes in the order of locks: a transaction of its own. A repeat makes up for
        // one that was lost.
        db.ChangeTracker.Clear();
        await readiness.ServeKeyedAsync([asked.RuntimeId], clock.GetUtcNow(), cancellationToken);
        return asked;
    }

    [LoggerMessage(2306, LogLevel.Information, "The key {Kid} of runtime {RuntimeId} is trusted, by {RequestedBy}")]
    private partial void LogTrusted(string runtimeId, string kid, string requestedBy);
}
