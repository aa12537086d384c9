using Governor.Director.Operations;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Drift;

/// <summary>A finding as it is shown.</summary>
/// <param name="Reason">Why it is not repaired, if the runtime refused the content.</param>
internal sealed record FindingView(
    string RuntimeId, string? Configuration, string Kind, DateTimeOffset DetectedAt, string? ExpectedDigest,
    string? ReportedDigest, string? Reason);

/// <summary>The endpoints under <c>/admin/drift</c>.</summary>
internal static class DriftEndpoints
{
    public static void MapDrift(this IEndpointRouteBuilder routes)
    {
        var drift = routes.MapGroup("/admin/drift").WithTags("Drift");
        drift.MapGet("", ListAsync);
        drift.MapPost("/scan", async (DriftScan scan, CancellationToken cancellationToken) =>
            TypedResults.Ok(await scan.RunAsync(cancellationToken)));
    }

    private static async Task<IResult> ListAsync(
        string? limit, string? cursor, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var paging = Paging.Read(limit, cursor);
        if ((tenant.Refusal ?? paging.Refusal) is { } refusal)
            return refusal.ToProblem();

        var (size, after) = paging.Value!.Paging;
        var position = after?.Split('/');
        if (position is not null and not { Length: 3 })
            return Problems.Invalid("invalid-cursor", "`cursor` must be the `nextCursor` of a former page, unchanged.");
        var (runtimeId, configuration, kind) = (position?[0], position?[1], position?[2]);
        var rows = await db.Findings
            .FromSqlRaw(
                """
                SELECT f.* FROM drift_findings f JOIN runtimes r ON r.runtime_id = f.runtime_id
                WHERE r.tenant = @tenant AND (f.runtime_id, f.configuration, f.kind) > (@runtime, @configuration, @kind)
                """,
                db.Parameter("tenant", tenant.Value), db.Parameter("runtime", runtimeId ?? ""),
                db.Parameter("configuration", configuration ?? ""), db.Parameter("kind", kind ?? ""))
            .AsNoTracking()
            .OrderBy(f => f.RuntimeId).ThenBy(f => f.Configuration).ThenBy(f => f.Kind)
            .Take(size + 1).ToListAsync(cancellationToken);
        return TypedResults.Ok(paging.Value.Paging.Of(rows, Key, f => new FindingView(
            f.RuntimeId, f.Configuration.Length == 0 ? null : f.Configuration, f.Kind.ToString(), f.DetectedAt, f.ExpectedDigest,
            f.ReportedDigest, f.Reason)));
    }

    private static string Key(DriftFinding finding) => $"{finding.RuntimeId}/{finding.Configuration}/{finding.Kind}";
}
