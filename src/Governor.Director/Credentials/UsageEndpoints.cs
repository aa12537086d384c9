using Governor.Director.Assignments;
using Governor.Director.Configurations;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Credentials;

/// <summary>The endpoints under <c>/admin/credentials</c>: who may hold what, and what operators do about it.</summary>
internal static class UsageEndpoints
{
    private const int LongestReason = 1000;

    public static void MapCredentialUsage(this IEndpointRouteBuilder routes)
    {
        var credentials = routes.MapGroup("/admin/credentials").WithTags("Credentials");
        credentials.MapGet("/{name}/usage", UsageAsync);
        credentials.MapPost("/{name}/versions/{version:int}/revoke", RevokeAsync);
        credentials.MapPost("/{name}/versions/{version:int}/waive", WaiveAsync);
    }

    private static async Task<IResult> UsageAsync(
        string name, string? limit, string? cursor, HttpContext http, DirectorDbContext db, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var paging = Paging.Read(limit, cursor);
        if ((tenant.Refusal ?? paging.Refusal) is { } refusal)
            return refusal.ToProblem();
        if (await CredentialEndpoints.FindAsync(db, tenant.Value!, name, cancellationToken) is null)
            return CredentialHandler.NotFound(name).ToProblem();

        var item = Items.OfCredential(name);
        var versions = await db.CredentialVersions.AsNoTracking()
            .Where(v => v.Tenant == tenant.Value && v.Credential == name).OrderByDescending(v => v.Version).ToListAsync(cancellationToken);
        var counts = await (
                from v in db.CredentialVersions
                where v.Tenant == tenant.Value && v.Credential == name
                select new
                {
                    v.VersionId,
                    Holders = db.Holdings.Count(h => h.VersionId == v.VersionId && db.Runtimes.Any(r => r.RuntimeId == h.RuntimeId)),
                    Assigned = db.Assignments.Count(a => a.Item == item && a.Digest == v.VersionId),
                })
            .ToDictionaryAsync(c => c.VersionId, StringComparer.Ordinal, cancellationToken);
        var (size, after) = paging.Value!.Paging;
        var rows = await (
                from h in db.Holdings.AsNoTracking()
                join v in db.CredentialVersions on h.VersionId equals v.VersionId
                join r in db.Runtimes on h.RuntimeId equals r.RuntimeId
                where v.Tenant == tenant.Value && v.Credential == name
                let key = h.RuntimeId + "/" + h.VersionId
                where after == null || string.Compare(key, after) > 0
                orderby key
                select new
                {
                    Key = key, h.RuntimeId, v.Version, h.VersionId, h.Since,
                    // Its id may be another tenant's by now.
                    HeardAt = r.Tenant == tenant.Value ? r.HeardAt : null,
                    Assigned = db.Assignments.Any(a => a.RuntimeId == h.RuntimeId && a.Item == item && a.Digest == h.VersionId),
                    Reported = db.ReportItems.Any(i => i.RuntimeId == h.RuntimeId && i.Item == item && i.Digest == h.VersionId),
                })
            .Take(size + 1).ToListAsync(cancellationToken);
        var page = paging.Value.Paging.Of(rows, r => r.Key,
            r => new HoldingView(r.RuntimeId, r.Version, r.VersionId, r.Since, r.Assigned, r.Reported, r.HeardAt));
        var waivers = await db.Waivers.AsNoTracking().Where(w => w.Tenant == tenant.Value && w.Credential == name)
            .OrderByDescending(w => w.WaiverId).Take(Paging.DefaultLimit)
            .Select(w => new WaiverView(w.RuntimeId, w.Version, w.WaivedBy, w.Reason, w.WaivedAt)).ToListAsync(cancellationToken);
        var wait = await RestoreWait.FindAsync(db, tenant.Value!, cancellationToken);
        return TypedResults.Ok(new UsageView(
            name,
            versions.ConvertAll(v => new VersionUsage(v.Version, v.VersionId, v.Stage.ToString().ToLowerInvariant(), counts[v.VersionId].Holders,
                BlockedBy(v, counts[v.VersionId].Holders, counts[v.VersionId].Assigned, wait, clock.GetUtcNow()), v.RevocableAt)),
            waivers, page.Items, page.NextCursor));
    }

    private static List<string> BlockedBy(CredentialVersion version, int holders, int assigned, RestoreWait? wait, DateTimeOffset now)
    {
        var reasons = new List<string>();
        if (version.Stage == VersionStage.Revoked || version.RevocableAt is not null)
            return reasons;
        if (version.Stage is VersionStage.Current or VersionStage.Pending)
            reasons.Add($"it is {version.Stage.ToString().ToLowerInvariant()}");
        if (holders > 0)
            reasons.Add($"{holders} runtime(s) may hold it");
        if (assigned > 0)
            reasons.Add($"{assigned} runtime(s) are assigned it");
        if (version.RevocableAfter > now)
            reasons.Add($"its overlap lasts until {version.RevocableAfter:O}");
        if (wait is not null)
            reasons.Add(wait.ToString());
        if (reasons.Count == 0)
            reasons.Add("the next drift run looks whether it is revocable");
        return reasons;
    }

    private static async Task<IResult> RevokeAsync(
        string name, int version, HttpContext http, Revocation revocation, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        if (!tenant.Succeeded)
            return tenant.Refusal.ToProblem();

        return Answer(await revocation.RevokeAsync(tenant.Value, name, version, cancellationToken));
    }

    private static async Task<IResult> WaiveAsync(
        string name, int version, HttpContext http, Revocation revocation, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var body = await http.ReadBodyAsync("body-too-large", cancellationToken);
        if ((tenant.Refusal ?? body.Refusal) is { } refusal)
            return refusal.ToProblem();
        var waiver = ReadWaiver(body.Value!);
        if (!waiver.Succeeded)
            return waiver.Refusal.ToProblem();

        return Answer(await revocation.WaiveAsync(
            tenant.Value!, name, version, waiver.Value.RuntimeId, waiver.Value.Reason, http.RequestedBy(), cancellationToken));
    }

    private static Outcome<Waiver> ReadWaiver(byte[] body) => SmallBody.Read<Waiver>(body, ["runtimeId", "reason"], fields =>
    {
        var runtimeId = fields.Required("runtimeId", "name the runtime that is lost")?.AsString();
        if (runtimeId is not null && !DnsLabel.IsValid(runtimeId))
            fields["runtimeId"]!.Invalid($"must be {DnsLabel.Rule}.");
        var reason = fields.Required("reason", "say why it holds the version no more; it is recorded")?.AsText();
        if (reason?.Length > LongestReason)
            fields["reason"]!.Invalid($"must be at most {LongestReason} characters.");
        return new Waiver(runtimeId ?? "", StoredText.Of(reason ?? "", LongestReason));
    });

    private static IResult Answer(Outcome<CredentialVersion> outcome) =>
        outcome.Succeeded ? TypedResults.Ok(VersionView.Of(outcome.Value)) : outcome.Refusal.ToProblem();

    private sealed record Waiver(string RuntimeId, string Reason);
}
