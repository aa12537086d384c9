using System.Text.Json;
using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Commands;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Runtimes;

/// <summary>A runtime as it is shown.</summary>
/// <param name="Away">Whether nobody is known to listen: it never reported, or missed three report intervals.</param>
/// <param name="Generation">Generation of what it should hold.</param>
/// <param name="ReportedGeneration">Generation of the message that it handled last.</param>
/// <param name="Kid">Id of the key to which its secrets are sealed; absent until its Agent has shown one.</param>
/// <param name="UntrustedKid">Id of the key that its Agent shows instead, if it does; see <c>trust-key</c>.</param>
internal sealed record RuntimeView(
    string RuntimeId, string Tenant, string Kind, IReadOnlyDictionary<string, string> Labels, string State, bool Away,
    long Generation, long ReportedGeneration, DateTimeOffset RegisteredAt, DateTimeOffset? LastReportAt, int Version, string? Kid,
    string? UntrustedKid);

/// <summary>Answers to registrations, and to a removal, as they are kept for a request that is repeated.</summary>
internal sealed record RegisteredViews(IReadOnlyList<RegisteredView> Items);

/// <inheritdoc cref="RegisteredViews"/>
internal sealed record RegisteredView(RuntimeView Runtime, bool Created);

/// <inheritdoc cref="RegisteredViews"/>
internal sealed record Removal(bool AtOnce);

/// <summary>What a runtime should hold now.</summary>
internal sealed record DesiredStateView(
    string RuntimeId, long Generation, IReadOnlyList<DesiredConfiguration> Configurations, IReadOnlyList<DesiredCredential> Credentials);

/// <summary>The endpoints under <c>/api/v1/runtimes</c>.</summary>
internal static class RuntimeEndpoints
{
    public static void MapRuntimes(this IEndpointRouteBuilder routes)
    {
        var runtimes = routes.MapGroup("/api/v1/runtimes").WithTags("Runtimes");
        runtimes.MapGet("", ListAsync);
        runtimes.MapPut("/{runtimeId}", PutAsync);
        runtimes.MapGet("/{runtimeId}", GetAsync);
        runtimes.MapDelete("/{runtimeId}", DeleteAsync);
        runtimes.MapGet("/{runtimeId}/desired-state", DesiredStateAsync);
        runtimes.MapPost("/{runtimeId}/trust-key", KeyTrust.PostAsync);
        routes.MapPost("/api/v1/runtimes:batch", PostBatchAsync).WithTags("Runtimes");
    }

    private static async Task<IResult> PutAsync(
        string runtimeId, HttpContext http, FleetRegistry registry, IdempotentRequests requests, DirectorDbContext db,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var expected = http.ExpectedVersion();
        var body = await http.ReadBodyAsync("body-too-large", cancellationToken);
        if ((tenant.Refusal ?? expected.Refusal ?? body.Refusal) is { } refusal)
            return refusal.ToProblem();

        var registration = RegistrationParser.Parse(runtimeId, body.Value!);
        if (!registration.Succeeded)
            return registration.Refusal.ToProblem();

        var outcome = await requests.OnceAsync(
            http, tenant.Value!, body.Value!,
            token => RegisterAsync(registry, db, clock, tenant.Value!, [registration.Value], expected.Value!.Version, token),
            cancellationToken);
        if (!outcome.Succeeded)
            return outcome.Refusal.ToProblem();

        var (view, created) = outcome.Value.Items[0];
        http.Response.Headers.ETag = $"\"{view.Version}\"";
        return created ? TypedResults.Created($"/api/v1/runtimes/{runtimeId}", view) : TypedResults.Ok(view);
    }

    private static async Task<IResult> PostBatchAsync(
        HttpContext http, FleetRegistry registry, IdempotentRequests requests, DirectorDbContext db, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var body = await http.ReadBodyAsync("body-too-large", cancellationToken);
        if ((tenant.Refusal ?? body.Refusal) is { } refusal)
            return refusal.ToProblem();
        var registrations = RegistrationParser.ParseBatch(body.Value!);
        if (!registrations.Succeeded)
            return registrations.Refusal.ToProblem();

        var outcome = await requests.OnceAsync(
            http, tenant.Value!, body.Value!,
            token => RegisterAsync(registry, db, clock, tenant.Value!, registrations.Value, null, token), cancellationToken);
        return outcome.Succeeded
            ? TypedResults.Ok(new Page<RuntimeView>([.. outcome.Value.Items.Select(item => item.Runtime)], null))
            : outcome.Refusal.ToProblem();
    }

    /// <summary>Registers, and makes the answer, which is what a repeated request gets again.</summary>
    private static async Task<Outcome<RegisteredViews>> RegisterAsync(
        FleetRegistry registry, DirectorDbContext db, TimeProvider clock, string tenant,
        IReadOnlyList<RuntimeRegistration> registrations, int? expectedVersion, CancellationToken cancellationToken)
    {
        var outcome = await registry.RegisterAsync(tenant, registrations, expectedVersion, cancellationToken);
        if (!outcome.Succeeded)
            return outcome.Refusal;

        var (now, listening) = (clock.GetUtcNow(), await db.ListeningSinceAsync(clock.GetUtcNow(), cancellationToken));
        return new RegisteredViews([.. outcome.Value.Items.Select(r => new RegisteredView(View(r.Runtime, now, listening), r.Created))]);
    }

    private static async Task<IResult> GetAsync(
        string runtimeId, HttpContext http, DirectorDbContext db, TimeProvider clock, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        if (!tenant.Succeeded)
            return tenant.Refusal.ToProblem();
        if (await FindAsync(db, tenant.Value, runtimeId, cancellationToken) is not { } runtime)
            return RuntimeNotFound(runtimeId);

        http.Response.Headers.ETag = $"\"{runtime.Version}\"";
        var now = clock.GetUtcNow();
        return TypedResults.Ok(View(runtime, now, await db.ListeningSinceAsync(now, cancellationToken)));
    }

    private static async Task<IResult> ListAsync(
        string? kind, string[]? label, string? limit, string? cursor, HttpContext http, DirectorDbContext db, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var paging = Paging.Read(limit, cursor);
        var labels = Labels(label ?? []);
        if ((tenant.Refusal ?? paging.Refusal ?? labels.Refusal) is { } refusal)
            return refusal.ToProblem();

        var (size, after) = paging.Value!.Paging;
        kind = StoredText.Sought(kind);
        var found = new List<Runtime>();
        var query = db.Runtimes.AsNoTracking().Where(r => r.Tenant == tenant.Value && (kind == null || r.Kind == kind))
            .OrderBy(r => r.RuntimeId).AsQueryable();

        // Labels are compared here, a page of runtimes at a time, because the column is JSON text.
        while (found.Count <= size)
        {
            var from = after;
            var rows = await query.Where(r => from == null || string.Compare(r.RuntimeId, from) > 0)
                .Take(Paging.MaxLimit).ToListAsync(cancellationToken);
            found.AddRange(rows.Where(r => labels.Value!.All(l => r.Labels.TryGetValue(l.Key, out var v) && v == l.Value)));
            if (rows.Count < Paging.MaxLimit)
                break;
            after = rows[^1].RuntimeId;
        }

        var now = clock.GetUtcNow();
        var listening = await db.ListeningSinceAsync(now, cancellationToken);
        return TypedResults.Ok(paging.Value.Paging.Of(
            found.Take(size + 1).ToList(), r => r.RuntimeId, r => View(r, now, listening)));
    }

    private static async Task<IResult> DeleteAsync(
        string runtimeId, string? force, HttpContext http, Deregistration deregistration, IdempotentRequests requests,
        CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        var expected = http.ExpectedVersion();
        if ((tenant.Refusal ?? expected.Refusal) is { } refusal)
            return refusal.ToProblem();
        if (force is not (null or "true" or "false"))
            return Problems.Invalid("invalid-force", "`force` must be true or false; leave it out to wait for the runtime.");
        var outcome = await requests.OnceAsync<Removal>(
            http, tenant.Value!, [],
            async token => await deregistration.BeginAsync(tenant.Value!, runtimeId, force == "true", expected.Value!.Version, token)
                is { } refused ? refused : new Removal(force == "true"),
            cancellationToken);
        return !outcome.Succeeded ? outcome.Refusal.ToProblem()
            : outcome.Value.AtOnce ? TypedResults.NoContent() : TypedResults.Accepted($"/api/v1/runtimes/{runtimeId}");
    }

    private static async Task<IResult> DesiredStateAsync(
        string runtimeId, HttpContext http, DirectorDbContext db, RevisionContents revisions, CancellationToken cancellationToken)
    {
        var tenant = http.Tenant();
        if (!tenant.Succeeded)
            return tenant.Refusal.ToProblem();
        if (await FindAsync(db, tenant.Value, runtimeId, cancellationToken) is not { } runtime)
            return RuntimeNotFound(runtimeId);

        var assignments = await db.Assignments.AsNoTracking().Where(a => a.RuntimeId == runtimeId)
            .ToDictionaryAsync(a => a.Item, StringComparer.Ordinal, cancellationToken);
        var contents = await revisions.GetAsync(
            db, assignments.Values.Select(a => new RevisionKey(runtime.Tenant, a.Item, a.Revision)), cancellationToken);
        var desired = new FleetMember(runtime, assignments, contents, new Dictionary<string, RevisionContent>(), away: false).Desired();
        return TypedResults.Ok(new DesiredStateView(runtimeId, runtime.Generation, desired.Configurations, desired.Credentials));
    }

    private static Outcome<Dictionary<string, string>> Labels(string[] labels)
    {
        var parsed = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var label in labels)
        {
            if (label.Split('=', 2) is not [{ Length: > 0 } key, var value])
            {
                return new Refusal(StatusCodes.Status400BadRequest, "invalid-label",
                    "`label` must have the form key=value, for example label=region=eu; repeat it for several labels.");
            }

            parsed[key] = value;
        }

        return parsed;
    }

    private static Task<Runtime?> FindAsync(
        DirectorDbContext db, string tenant, string runtimeId, CancellationToken cancellationToken) =>
        db.Runtimes.AsNoTracking().SingleOrDefaultAsync(r => r.RuntimeId == runtimeId && r.Tenant == tenant, cancellationToken);

    private static ProblemHttpResult RuntimeNotFound(string runtimeId) => FleetRegistry.NotFound(runtimeId).ToProblem();

    private static RuntimeView View(Runtime r, DateTimeOffset now, DateTimeOffset listening) => new(
        r.RuntimeId, r.Tenant, r.Kind, r.Labels, JsonNamingPolicy.CamelCase.ConvertName(r.State.ToString()),
        r.IsAway(now, listening), r.Generation, r.ReportedGeneration, r.RegisteredAt, r.HeardAt, r.Version, r.Kid, r.UntrustedKid);
}
