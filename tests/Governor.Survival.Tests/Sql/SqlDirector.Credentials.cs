using System.Text;
using Governor.Contracts;
using Governor.Director.Credentials;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Runtimes;
using Governor.Messaging.Sealing;
using Governor.Survival.Tests.Fleet;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Governor.Survival.Tests.Sql;

/// <content>Credentials, keys, and a database that is restored.</content>
internal sealed partial class SqlDirector
{
    private int restorations;

    public IReadOnlyList<Mail> Rotate(string credential, Policy policy) => Run(async scope =>
    {
        var version = await NextVersionAsync(scope, credential);
        var request = new RotationRequest(FleetKeys.EntriesOf(credential, version), How(policy), ExpiresAt: null);
        var outcome = await scope.GetRequiredService<CredentialHandler>().RotateAsync(tenant, credential, "a test", request, None);
        if (!outcome.Succeeded)
        {
            Assert.Equal("rotation-pending", outcome.Refusal.Code);
            return;
        }

        Assert.Equal(version, outcome.Value.Version);
        var made = await scope.GetRequiredService<DirectorDbContext>().CredentialVersions.AsNoTracking()
            .SingleAsync(v => v.Tenant == tenant && v.Credential == credential && v.Version == version, None);
        names.AddVersion(made.VersionId, $"{credential}v{version}{(restorations > 0 ? $"r{restorations}" : "")}");
    });

    private async Task<int> NextVersionAsync(IServiceProvider scope, string credential) => 1 + await scope.GetRequiredService<DirectorDbContext>()
        .Credentials.Where(c => c.Tenant == tenant && c.Name == credential).Select(c => c.NewestVersion).SingleOrDefaultAsync(None);

    public IReadOnlyList<Mail> TrustKey(string runtimeId, string kid) => Run(scope =>
    {
        var http = new DefaultHttpContext { RequestServices = scope };
        http.Request.Headers["Tenant"] = tenant;
        http.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes($$"""{"kid": "{{kid}}"}"""));
        return KeyTrust.PostAsync(runtimeId, http, scope.GetRequiredService<KeyTrust>(), None);
    });

    public void BackUp() => Run(scope => DatabaseText.BackUpAsync(scope.GetRequiredService<DirectorDbContext>()));

    /// <summary>Other Directors start after it: nothing that the former ones kept in memory is left.</summary>
    public void Restore()
    {
        Run(async scope =>
        {
            var db = scope.GetRequiredService<DirectorDbContext>();
            await DatabaseText.RestoreAsync(db);
            names.Keep(
                (await db.Rollouts.Select(r => r.CorrelationId).ToListAsync(None)).ToHashSet(),
                (await db.Actions.Select(a => a.ActionId).ToListAsync(None)).ToHashSet());
            await new RestoreStep(db, clock).RunAsync(None);
        });
        restorations++;
        services = start();
        ListenAgain();
    }

    /// <summary>What a report says, by the ids that the database knows.</summary>
    private RuntimeReported WithIds(RuntimeReported report) => report with
    {
        Credentials = [.. report.Credentials.Select(c => c with { VersionId = names.VersionOf(c.VersionId) })],
    };

    /// <summary>A message as the runtime that it is sealed to reads it: all that it lists must be in it, and nothing else.</summary>
    private Whole Opened(string runtimeId, long generation, DesiredState desired)
    {
        var kid = desired.Secrets is { } text ? SealedBox.Header(text)!.Value.GetProperty("kid").GetString() : null;
        if (kid is not null)
        {
            var secrets = RuntimeSecrets.Open(desired.Secrets!, runtimeId, generation, FleetKeys.Of(kid));
            Assert.NotNull(secrets);
            Assert.Equal(desired.Credentials.Select(c => (c.Name, c.VersionId)), secrets.Select(s => (s.Name, s.VersionId)));
            Assert.Equal(desired.Credentials.Select(c => FleetKeys.EntriesOf(c.Name, c.Version)), secrets.Select(s => s.Entries));
        }

        var labelled = desired.Credentials.Select(c => c with { VersionId = names.LabelOf(c.VersionId) });
        return new Whole(runtimeId, generation, desired with { Credentials = [.. labelled], Secrets = null }, kid);
    }
}
