using Governor.Director.Assignments;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Drift;

/// <summary>A finding as it is shown.</summary>
/// <param name="Reason">What the runtime says of it, if it could not or would not take the content.</param>
internal sealed record FindingView(
    string RuntimeId, string? Configuration, string? Credential, string Kind, DateTimeOffset DetectedAt, string? ExpectedDigest,
    string? ReportedDigest, string? Reason);

/// <summary>A run of the drift job as it is shown.</summary>
/// <param name="ScheduledAt">The moment that the schedule named; absent for a run that somebody asked for.</param>
/// <param name="FinishedAt">Absent while it runs, and for ever if its Director died.</param>
internal sealed record DriftRunView(
    string RunId, DateTimeOffset? ScheduledAt, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt, int Findings, int Sent,
    string? Error);

/// <summary>The endpoints under <c>/admin/drift</c>.</summary>
internal static class DriftEndpoints
{
    private const char KeySeparator = ' ';

    public static void MapDrift(this IEndpointRouteBuilder routes)
    {
        var drift = routes.MapGroup("/admin/drift").WithTags("Drift");
        drift.MapGet("", ListAsync);
        drift.MapPost("/scan", async (DriftScan scan, CancellationToken cancellationToken) =>
            TypedResults.Ok(await scan.RunAsync(scheduledAt: null, cancellationToken)));
        drift.MapGet("/runs", ListRunsAsync);
    }

    private static async Task<IResult> ListRunsAsync(
        string? limit, string? cursor, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var paging = Paging.Read(limit, cursor);
        if (!paging.Succeeded)
            return paging.Refusal.ToProblem();

        // Ids grow with time.
        var (size, after) = paging.Value.Paging;
        if (after is not null && !Guid.TryParse(after, out _))
            return Problems.Invalid("invalid-cursor", "`cursor` must be the `nextCursor` of a former page, unchanged.");
        var rows = await db.DriftRuns
            .FromSqlRaw("SELECT * FROM drift_runs WHERE run_id < @before",
                db.Parameter("before", after is null ? Guid.AllBitsSet : Guid.Parse(after)))
            .AsNoTracking().OrderByDescending(r => r.RunId).Take(size + 1).ToListAsync(cancellationToken);
        return TypedResults.Ok(paging.Value.Paging.Of(rows, r => r.RunId.ToString(), r => new DriftRunView(
            r.RunId.ToString(), r.ScheduledAt, r.StartedAt, r.FinishedAt, r.Findings, r.Sent, r.Error)));
    }

    private static async Task<IResult> ListAsync(
        string? limit, string? cursor, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var paging = Paging.Read(limit, cursor);
        if ((tenant.Refusal ?? paging.Refusal) is { } refusal)
            return refusal.ToProblem();

        var (size, after) = paging.Value!.Paging;
        var position = after?.Split(KeySeparator);
        if (position is not null and not { Length: 3 })
            return Problems.Invalid("invalid-cursor", "`cursor` must be the `nextCursor` of a former page, unchanged.");
        var (runtimeId, item, kind) = (position?[0], position?[1], position?[2]);
        var rows = await db.Findings
            .FromSqlRaw(
                """
                SELECT f.* FROM drift_findings f JOIN runtimes r ON r.runtime_id = f.runtime_id
                WHERE r.tenant = @tenant AND (f.runtime_id, f.item, f.kind) > (@runtime, @item, @kind)
                """,
                db.Parameter("tenant", tenant.Value), db.Parameter("runtime", runtimeId ?? ""),
                db.Parameter("item", item ?? ""), db.Parameter("kind", kind ?? ""))
            .AsNoTracking()
            .OrderBy(f => f.RuntimeId).ThenBy(f => f.Item).ThenBy(f => f.Kind)
            .Take(size + 1).ToListAsync(cancellationToken);
        return TypedResults.Ok(paging.Value.Paging.Of(rows, Key, f => new FindingView(
            f.RuntimeId, f.Item.Length == 0 ? null : Items.Configuration(f.Item), Items.Credential(f.Item), f.Kind.ToString(), f.DetectedAt, f.ExpectedDigest,
            f.ReportedDigest, f.Reason)));
    }

    private static string Key(DriftFinding finding) => string.Join(KeySeparator, finding.RuntimeId, finding.Item, finding.Kind);
}
