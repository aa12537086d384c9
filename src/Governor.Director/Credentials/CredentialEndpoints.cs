using Governor.Director.Commands;
using Governor.Director.Configurations;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Credentials;

/// <summary>The endpoints under <c>/api/v1/credentials</c>, and the Director's public key. No answer holds a value.</summary>
internal static class CredentialEndpoints
{
    public static void MapCredentials(this IEndpointRouteBuilder routes)
    {
        var credentials = routes.MapGroup("/api/v1/credentials").WithTags("Credentials");
        credentials.MapGet("", ListAsync);
        credentials.MapGet("/{name}", GetAsync);
        credentials.MapPost("/{name}/rotations", RotateAsync);
        routes.MapGet("/api/v1/sealing-key", SealingKeyAsync).WithTags("Credentials");
        routes.MapCredentialUsage();
    }

    private static async Task<IResult> RotateAsync(
        string name, HttpContext http, CredentialHandler handler, IdempotentRequests requests, SealingKeys keys, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        if (!DnsLabel.IsValid(name))
            return Problems.Invalid("invalid-name", $"The name of a credential must be {DnsLabel.Rule}.");
        var tenant = http.Tenant();
        var body = await http.ReadBodyAsync("credential-too-large", cancellationToken);
        if ((tenant.Refusal ?? body.Refusal) is { } refusal)
            return refusal.ToProblem();
        var request = RotationRequestParser.Parse(body.Value!, clock.GetUtcNow());
        if (!request.Succeeded)
            return request.Refusal.ToProblem();

        var fingerprint = await keys.FingerprintAsync(body.Value!, cancellationToken);
        var outcome = await requests.OnceAsync(
            http, tenant.Value!, fingerprint,
            token => handler.RotateAsync(tenant.Value!, name, http.RequestedBy(), request.Value, token), cancellationToken);
        return outcome.Succeeded
            ? TypedResults.Accepted($"/admin/rollouts/{outcome.Value.RolloutId}",
                new RotationView(outcome.Value.RolloutId.ToString(), outcome.Value.Version))
            : outcome.Refusal.ToProblem();
    }

    private static async Task<IResult> SealingKeyAsync(SealingKeys keys, CancellationToken cancellationToken) =>
        TypedResults.Ok((await keys.GetAsync(cancellationToken)).PublicKey);

    private static async Task<IResult> ListAsync(
        string? limit, string? cursor, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var paging = Paging.Read(limit, cursor);
        if ((tenant.Refusal ?? paging.Refusal) is { } refusal)
            return refusal.ToProblem();

        var (size, after) = paging.Value!.Paging;
        var rows = await db.Credentials.AsNoTracking()
            .Where(c => c.Tenant == tenant.Value && c.NewestVersion > 0 && (after == null || string.Compare(c.Name, after) > 0))
            .OrderBy(c => c.Name).Take(size + 1).ToListAsync(cancellationToken);
        var names = rows.ConvertAll(c => c.Name);
        var versions = (await db.CredentialVersions.AsNoTracking()
                .Where(v => v.Tenant == tenant.Value && names.Contains(v.Credential)
                    && (v.Stage == VersionStage.Current || v.Stage == VersionStage.Pending))
                .ToListAsync(cancellationToken))
            .ToLookup(v => v.Credential, StringComparer.Ordinal);
        return TypedResults.Ok(paging.Value.Paging.Of(rows, c => c.Name, c =>
        {
            var current = versions[c.Name].FirstOrDefault(v => v.Stage == VersionStage.Current);
            return new CredentialSummary(c.Name, current?.Version,
                versions[c.Name].FirstOrDefault(v => v.Stage == VersionStage.Pending)?.Version,
                current?.Keys ?? [], current?.ExpiresAt, c.CreatedAt);
        }));
    }

    private static async Task<IResult> GetAsync(
        string name, HttpContext http, DirectorDbContext db, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        if (!tenant.Succeeded)
            return tenant.Refusal.ToProblem();
        if (await FindAsync(db, tenant.Value, name, cancellationToken) is not { } credential)
            return CredentialHandler.NotFound(name).ToProblem();

        var versions = await db.CredentialVersions.AsNoTracking()
            .Where(v => v.Tenant == tenant.Value && v.Credential == name)
            .OrderByDescending(v => v.Version).Take(Paging.MaxLimit).ToListAsync(cancellationToken);
        return TypedResults.Ok(new CredentialDetail(name, credential.CreatedAt, versions.ConvertAll(VersionView.Of)));
    }

    /// <summary>A credential that has a version; a refused first rotation leaves none.</summary>
    public static Task<Credential?> FindAsync(DirectorDbContext db, string tenant, string name, CancellationToken cancellationToken) =>
        db.Credentials.AsNoTracking()
            .SingleOrDefaultAsync(c => c.Tenant == tenant && c.Name == name && c.NewestVersion > 0, cancellationToken);
}
