using System.Net;
using Governor.Director.Tests.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Tests.Credentials;

/// <summary>Rotations while runtimes begin or stop to use the credential, and versions that are not the current one.</summary>
public sealed class ChangingUseTests : DirectorTests
{
    [Fact]
    public async Task Given_a_target_that_was_sent_the_version_When_it_has_stopped_and_begun_again_to_use_the_credential_Then_it_is_no_target_and_is_swept()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.GivenCredentialAsync("redis", "one");
        await Host.GivenRolledOutAsync("cache", Secrets.Store());
        Host["eu-1"].IsMute = Host["eu-2"].IsMute = true;
        var rolloutId = await Host.RotatedAsync("redis", "two");
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Dispatched");
        await Host.UntilTargetAsync(rolloutId, "eu-2", "Dispatched");

        // As if it had left the selector and come back before the saga was woken.
        var first = await Host.ReadAsync(db => db.CredentialVersions.AsNoTracking().SingleAsync(v => v.Version == 1));
        await Host.ChangeAsync(db => db.Assignments.Where(a => a.RuntimeId == "eu-2" && a.Item == "credential/redis")
            .ExecuteUpdateAsync(set => set.SetProperty(a => a.Revision, 1).SetProperty(a => a.Digest, first.VersionId)));
        await Host.RecordAsync(Host["eu-1"].Handle(Host["eu-1"].Newest));

        await Host.UntilRolloutAsync(rolloutId, "Succeeded");
        Assert.Equal(("Applied", "Removed"), (await Host.TargetAsync(rolloutId, "eu-1"), await Host.TargetAsync(rolloutId, "eu-2")));
        await Eventually.IsTrueAsync(
            async () => (await Host.AssignedAsync("eu-2"))["credential/redis"] == 2, "the new version, by the sweep");
    }

    [Fact]
    public async Task Given_a_rotation_that_nobody_uses_When_it_is_to_be_aborted_or_rolled_back_Then_it_is_refused_as_its_version_is_current()
    {
        await Host.GivenRuntimesAsync("eu-1");
        await Host.GivenCredentialAsync("redis", "one");
        var rolloutId = await Host.GivenCredentialAsync("redis", "two");

        // As it was before its saga was woken.
        var id = Guid.Parse(rolloutId);
        await Host.ChangeAsync(db => db.Rollouts.Where(r => r.CorrelationId == id).ExecuteUpdateAsync(
            set => set.SetProperty(r => r.CurrentState, "Planned").SetProperty(r => r.EndedAt, (DateTimeOffset?)null)));

        foreach (var action in new[] { "abort", "rollback" })
            (await Host.PostAsync($"/admin/rollouts/{rolloutId}/{action}")).IsProblem(HttpStatusCode.Conflict, "action-not-possible", "version 2 is current already");
        Assert.Equal(["previous", "current"], await Host.StagesAsync("redis"));
    }

    [Fact]
    public async Task Given_a_failed_rotation_that_a_runtime_holds_When_a_configuration_refers_to_an_entry_that_its_version_lacks_Then_it_is_refused()
    {
        await Host.GivenRuntimesAsync("eu-1", "eu-2");
        await Host.UntilRolloutAsync((await Host.RotateAsync("redis", new { password = "one", pin = "1234" })).Is(HttpStatusCode.Accepted).RolloutId, "Succeeded");
        await Host.GivenRolledOutAsync("cache", Secrets.Store());
        Host["eu-2"].CannotWrite.Add("redis");
        var rolloutId = await Host.RotatedAsync("redis", "two", new { progressDeadline = "00:01:00" });
        await Host.UntilTargetAsync(rolloutId, "eu-1", "Applied");
        await Host.AdvanceAsync(TimeSpan.FromMinutes(2));
        await Host.RecordAsync(Host["eu-2"].Report());
        await Host.UntilRolloutAsync(rolloutId, "Failed");
        Assert.Equal(["current", "abandoned"], await Host.StagesAsync("redis"));

        (await Host.PutAsync("cache", Secrets.Store(entry: "pin"))).IsProblem(HttpStatusCode.UnprocessableEntity, "unknown-entry", "pin", "version 2");
    }
}
