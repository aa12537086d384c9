using System.Text.Json.Nodes;
using Governor.Director.Commands;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Configurations;

/// <summary>A configuration as it is listed.</summary>
internal sealed record ConfigurationView(
    string Name, int Revision, int StableRevision, bool Deleted, DateTimeOffset CreatedAt);

/// <summary>A revision with its content.</summary>
internal sealed record RevisionView(
    string Name, int Revision, bool Deleted, string? Digest, DateTimeOffset CreatedAt, string CreatedBy, JsonNode? Content);

/// <summary>What became of an accepted change.</summary>
internal sealed record ChangeView(string? RolloutId, int Revision);

/// <summary>The endpoints under <c>/api/v1/configurations</c>.</summary>
internal static class ConfigurationEndpoints
{
    public static void MapConfigurations(this IEndpointRouteBuilder routes)
    {
        var configurations = routes.MapGroup("/api/v1/configurations").WithTags("Configurations");
        configurations.MapGet("", ListAsync);
        configurations.MapPut("/{name}", PutAsync);
        configurations.MapDelete("/{name}", DeleteAsync);
        configurations.MapGet("/{name}", GetAsync);
        configurations.MapGet("/{name}/revisions", ListRevisionsAsync);
        configurations.MapGet("/{name}/revisions/{revision:int}", GetRevisionAsync);
        configurations.MapGet("/{name}/revisions/{from:int}/diff/{to:int}", DiffAsync);
    }

    private static async Task<IResult> PutAsync(
        string name, HttpContext http, ConfigurationHandler handler, IdempotentRequests requests, CancellationToken cancellationToken)
    {
        var change = Change(name, http);
        if (!change.Succeeded)
            return change.Refusal.ToProblem();

        var body = await http.ReadBodyAsync("configuration-too-large", cancellationToken);
        if (!body.Succeeded)
            return body.Refusal.ToProblem();
        var request = ConfigurationRequestParser.Parse(body.Value);
        if (!request.Succeeded)
            return request.Refusal.ToProblem();

        return Answer(http, await requests.OnceAsync(
            http, change.Value.Tenant, body.Value, token => handler.UpdateAsync(change.Value, request.Value, token), cancellationToken));
    }

    private static async Task<IResult> DeleteAsync(
        string name, HttpContext http, ConfigurationHandler handler, IdempotentRequests requests, CancellationToken cancellationToken)
    {
        var change = Change(name, http);
        if (!change.Succeeded)
            return change.Refusal.ToProblem();
        var body = await http.ReadBodyAsync("configuration-too-large", cancellationToken);
        if (!body.Succeeded)
            return body.Refusal.ToProblem();
        var policy = ConfigurationRequestParser.ParseDeletion(body.Value);
        if (!policy.Succeeded)
            return policy.Refusal.ToProblem();

        return Answer(http, await requests.OnceAsync(
            http, change.Value.Tenant, body.Value, token => handler.DeleteAsync(change.Value, policy.Value, token), cancellationToken));
    }

    private static Outcome<ChangeRequest> Change(string name, HttpContext http)
    {
        if (!DnsLabel.IsValid(name))
        {
            return new Refusal(StatusCodes.Status400BadRequest, "invalid-name",
                $"The name of a configuration must be {DnsLabel.Rule}.");
        }

        if (http.Request.Query.ContainsKey("dryRun"))
            return Problems.NotImplementedYet("The query parameter `dryRun`");
        var tenant = http.Tenant();
        if (!tenant.Succeeded)
            return tenant.Refusal;
        var expected = http.ExpectedVersion();
        return expected.Succeeded
            ? new ChangeRequest(tenant.Value, name, http.RequestedBy(), expected.Value.Version)
            : expected.Refusal;
    }

    private static IResult Answer(HttpContext http, Outcome<AcceptedChange> outcome)
    {
        if (!outcome.Succeeded)
            return outcome.Refusal.ToProblem();

        var (revision, rolloutId) = outcome.Value;
        http.Response.Headers.ETag = $"\"{revision}\"";
        return rolloutId is null
            ? TypedResults.Ok(new ChangeView(null, revision))
            : TypedResults.Accepted($"/admin/rollouts/{rolloutId}", new ChangeView(rolloutId.ToString(), revision));
    }

    private static async Task<IResult> ListAsync(
        string? limit, string? cursor, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var paging = Paging.Read(limit, cursor);
        if (!tenant.Succeeded || !paging.Succeeded)
            return (tenant.Refusal ?? paging.Refusal)!.ToProblem();

        var (size, after) = paging.Value.Paging;
        var rows = await (
                from c in db.Configurations.AsNoTracking()
                where c.Tenant == tenant.Value && c.NewestRevision > 0 && (after == null || string.Compare(c.Name, after) > 0)
                join r in db.Revisions on new { c.Tenant, c.Name, Revision = c.NewestRevision }
                    equals new { r.Tenant, Name = r.Configuration, r.Revision }
                orderby c.Name
                select new ConfigurationView(c.Name, c.NewestRevision, c.StableRevision, r.Content == null, c.CreatedAt))
            .Take(size + 1).ToListAsync(cancellationToken);
        return TypedResults.Ok(paging.Value.Paging.Of(rows, r => r.Name, r => r));
    }

    private static async Task<IResult> GetAsync(
        string name, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        if (!tenant.Succeeded)
            return tenant.Refusal.ToProblem();

        var newest = await db.Configurations.AsNoTracking()
            .Where(c => c.Tenant == tenant.Value && c.Name == name).Select(c => c.NewestRevision)
            .SingleOrDefaultAsync(cancellationToken);
        if (newest == 0)
            return ConfigurationHandler.NotFound(name).ToProblem();

        http.Response.Headers.ETag = $"\"{newest}\"";
        return await GetRevisionAsync(name, newest, http, db, cancellationToken);
    }

    private static async Task<IResult> ListRevisionsAsync(
        string name, string? limit, string? cursor, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var paging = Paging.Read(limit, cursor);
        if (!tenant.Succeeded || !paging.Succeeded)
            return (tenant.Refusal ?? paging.Refusal)!.ToProblem();
        if (!await db.Configurations.AnyAsync(c => c.Tenant == tenant.Value && c.Name == name, cancellationToken))
            return ConfigurationHandler.NotFound(name).ToProblem();

        var before = int.MaxValue;
        if (paging.Value.Paging.After is { } after && !int.TryParse(after, out before))
            return Problems.Invalid("invalid-cursor", "`cursor` must be the `nextCursor` of a former page, unchanged.");
        var rows = await db.Revisions.AsNoTracking()
            .Where(r => r.Tenant == tenant.Value && r.Configuration == name && r.Revision < before)
            .OrderByDescending(r => r.Revision).Take(paging.Value.Paging.Limit + 1).ToListAsync(cancellationToken);
        return TypedResults.Ok(paging.Value.Paging.Of(rows, r => $"{r.Revision}", r => View(r)));
    }

    private static async Task<IResult> GetRevisionAsync(
        string name, int revision, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        if (!tenant.Succeeded)
            return tenant.Refusal.ToProblem();

        var row = await FindAsync(db, tenant.Value, name, revision, cancellationToken);
        return row is null ? RevisionNotFound(name, revision) : TypedResults.Ok(View(row));
    }

    private static async Task<IResult> DiffAsync(
        string name, int from, int to, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        if (!tenant.Succeeded)
            return tenant.Refusal.ToProblem();

        var a = await FindAsync(db, tenant.Value, name, from, cancellationToken);
        var b = await FindAsync(db, tenant.Value, name, to, cancellationToken);
        if (a is null || b is null)
            return RevisionNotFound(name, a is null ? from : to);

        return TypedResults.Ok(RevisionDiff.Of(from, Content(a), to, Content(b)));
    }

    private static ConfigurationContent? Content(ConfigurationRevision row) =>
        row.Content is null ? null : ConfigurationContent.FromJson(row.Content);

    private static Task<ConfigurationRevision?> FindAsync(
        DirectorDbContext db, string tenant, string name, int revision, CancellationToken cancellationToken) =>
        db.Revisions.AsNoTracking().SingleOrDefaultAsync(
            r => r.Tenant == tenant && r.Configuration == name && r.Revision == revision, cancellationToken);

    private static ProblemHttpResult RevisionNotFound(string name, int revision) => Problems.NotFound("revision-not-found",
        $"Configuration '{name}' has no revision {revision}. GET /api/v1/configurations/{name}/revisions lists them.");

    private static RevisionView View(ConfigurationRevision row) => new(
        row.Configuration, row.Revision, row.IsTombstone, row.Digest, row.CreatedAt, row.CreatedBy,
        row.Content is null ? null : JsonNode.Parse(row.Content));
}
