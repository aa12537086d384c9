using System.Text.Json;
using Governor.Director.Persistence;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Governor.Director.Operations;

/// <summary>Whether the database answers and has the schema that this version needs.</summary>
internal sealed class SchemaHealthCheck(DirectorDbContext db, DatabaseSetup setup) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            return await setup.MissingAsync(db, cancellationToken) is { } missing
                ? HealthCheckResult.Unhealthy(missing)
                : HealthCheckResult.Healthy();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return HealthCheckResult.Unhealthy($"The database does not answer: {e.Message}");
        }
    }
}

internal static class Health
{
    public const string Ready = "ready";

    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes.MapHealthChecks("/health/live", new HealthCheckOptions { Predicate = _ => false });
        routes.MapHealthChecks("/health/ready", new HealthCheckOptions
        {
            Predicate = check => check.Tags.Contains(Ready),
            ResponseWriter = WriteAsync,
        });
    }

    /// <summary>Says per check what is missing.</summary>
    private static Task WriteAsync(HttpContext http, HealthReport report)
    {
        http.Response.ContentType = "application/json";
        return JsonSerializer.SerializeAsync(
            http.Response.Body,
            new
            {
                status = report.Status.ToString(),
                checks = report.Entries.ToDictionary(
                    e => e.Key, e => new { status = e.Value.Status.ToString(), description = e.Value.Description }),
            },
            JsonSerializerOptions.Web, http.RequestAborted);
    }
}
