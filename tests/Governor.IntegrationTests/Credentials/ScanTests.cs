using System.Net;
using System.Text.Json.Nodes;
using Governor.IntegrationTests.Commands;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Credentials;

/// <summary>No secret is on the broker, in the database or in a log: looked for while messages wait, with everything logged.</summary>
public sealed class ScanTests
{
    private static readonly string[] Runtimes = ["scan-1", "scan-2"];

    private readonly List<string> secrets = [];

    [Fact]
    public async Task Given_secrets_that_came_in_every_way_While_their_messages_wait_and_after_they_were_applied_Then_they_are_nowhere_in_clear()
    {
        await using var fleet = await CredentialFleet.StartAsync(Evidence.EverythingLogged, Evidence.EverythingLogged);
        await fleet.JoinAsync("scan", Runtimes);
        await using var tap = await Tap.StartAsync(fleet.Sandbox, Runtimes);
        var evidence = new Evidence();

        foreach (var rolloutId in await RotateAllAsync(fleet, evidence))
            await fleet.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        var planted = $"https://planted-{Guid.NewGuid():n}.example";
        await fleet.Api.WaitUntilEndedAsync(
            await fleet.Api.ChangeAsync("scan", CredentialApi.Using(Contents.Logging(planted, "fleet", "scan"), "plain", "keyed", "sealed")), "Succeeded");
        AssertHeld(fleet);
        await RefusedAsync(fleet, evidence);

        foreach (var id in Runtimes)
            await fleet.StopAgentAsync(id);
        var rolloutIds = await RotateAllAsync(fleet, evidence);
        foreach (var rolloutId in rolloutIds)
        {
            foreach (var id in Runtimes)
                await fleet.Api.WaitUntilTargetAsync(rolloutId, id, "Dispatched");
        }

        var waiting = await Tap.WaitingAsync(fleet.Sandbox);
        Assert.All(Runtimes, id => Assert.Equal(3, waiting[$"runtime-{id}"].Count(m => m.Exchange == "governor.credential-rotated")));
        await LookAsync(fleet, tap, evidence);
        AssertFound(evidence, planted);

        foreach (var id in Runtimes)
            fleet.StartAgent(id);
        foreach (var rolloutId in rolloutIds)
            await fleet.Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        AssertHeld(fleet);
        foreach (var id in Runtimes)
            await fleet.StopAgentAsync(id);
        Assert.Equal(0, await fleet.Director.Process.TerminateAsync(RunningDirector.Patience)); // then the last line is out
        await LookAsync(fleet, tap, evidence);
    }

    /// <summary>Gives each credential a new secret of its own: over HTTP, over HTTP with a key and twice, and by sealed command.</summary>
    private async Task<IReadOnlyList<string>> RotateAllAsync(CredentialFleet fleet, Evidence evidence)
    {
        secrets.Add($"plain-{Guid.NewGuid():n}");
        secrets.Add($"p\"ä\\ß/<+€> 𝄞-{Guid.NewGuid():n}");
        secrets.Add($"sealed ü {Guid.NewGuid():n}");
        var (plain, keyed, viaBus) = (secrets[^3], secrets[^2], secrets[^1]);

        var rollouts = new List<string> { await fleet.Api.RotateAsync("plain", plain) };
        var key = Guid.NewGuid().ToString();
        string? first = null;
        foreach (var _ in Enumerable.Range(0, 2))
        {
            using var response = await fleet.Api.SendAsync(
                HttpMethod.Post, "/api/v1/credentials/keyed/rotations", CredentialApi.Body(keyed), ("Idempotency-Key", key));
            Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
            var body = await response.Content.ReadAsStringAsync(CancellationToken.None);
            Assert.Equal(first ??= body, body);
            evidence.AddAnswer(body);
        }

        rollouts.Add(JsonNode.Parse(first!)!["rolloutId"]!.GetValue<string>());
        var answer = (await NodeClient.AskAsync(
            fleet.Sandbox.RabbitMq, SealedMessage.Of(new Uri(fleet.Api.Address, "/api/v1/sealing-key"), "sealed", Guid.NewGuid().ToString(), viaBus)))[0][0];
        Assert.Equal("CommandAccepted", answer.Type);
        evidence.AddAnswer(answer.Body.GetRawText());
        rollouts.Add(answer.Text("rolloutId")!);
        return rollouts;
    }

    private void AssertHeld(CredentialFleet fleet) => Assert.All(Runtimes, id => Assert.Equal(
        (secrets[^3], secrets[^2], secrets[^1]), (fleet[id].Secret("plain"), fleet[id].Secret("keyed"), fleet[id].Secret("sealed"))));

    /// <summary>Requests that are wrong in every way, with a secret in each: nothing is said of it either.</summary>
    private async Task RefusedAsync(CredentialFleet fleet, Evidence evidence)
    {
        var secret = $"refused-{Guid.NewGuid():n}";
        secrets.Add(secret);
        string[] bodies =
        [
            """{"entries":{"password":"SECRET",}}""",
            """{"entries":{"password":"SECRET"}""",
            """{"entries":{"password":"SECRET","password":"SECRET"}}""",
            """{"entries":{"password":{"value":"SECRET"}}}""",
            """{"entries":{"password":["SECRET"]}}""",
            """{"entries":"SECRET"}""",
            """{"entries":{"pass word":"SECRET"}}""",
            """{"entries":{"another":"SECRET"}}""",
            """{"password":"SECRET"}""",
            """{"entries":{"password":"SECRET"},"policy":{"overlap":"SECRET"}}""",
            """{"entries":{"password":"SECRET"},"expiresAt":"SECRET"}""",
            """["SECRET"]""",
            "\"SECRET\"",
            "SECRET",
        ];
        foreach (var body in bodies.Select(text => text.Replace("SECRET", secret, StringComparison.Ordinal)))
        {
            using var response = await fleet.Api.SendAsync(HttpMethod.Post, "/api/v1/credentials/plain/rotations", body);
            Assert.False(response.IsSuccessStatusCode, body);
            Assert.True((int)response.StatusCode < 500, $"{response.StatusCode}: {body}");
            evidence.AddAnswer(await response.Content.ReadAsStringAsync(CancellationToken.None));
        }
    }

    /// <summary>Fails if any secret is anywhere, whole or only the part that no escape changes.</summary>
    private async Task LookAsync(CredentialFleet fleet, Tap tap, Evidence evidence)
    {
        foreach (var path in (string[])["/api/v1/credentials", "/api/v1/credentials/plain", "/admin/credentials/plain/usage", "/api/v1/runtimes/scan-1/desired-state"])
        {
            if (!fleet.Director.Process.HasExited)
                evidence.AddAnswer((await fleet.Api.GetAsync(path)).GetRawText());
        }

        await evidence.AddMessagesAsync(fleet.Sandbox, tap);
        await evidence.AddDatabaseAsync(fleet.Sandbox);
        evidence.AddLog("Director", fleet.Director.Process.Output);
        evidence.AddLog("Agents", fleet.AgentOutput);
        Assert.All(
            ["trce: ", "dbug: Microsoft.EntityFrameworkCore.Database.Command", "dbug: MassTransit", "dbug: Microsoft.AspNetCore"],
            detail => Assert.Contains(detail, fleet.Director.Process.Output, StringComparison.Ordinal));
        Assert.Contains("dbug: MassTransit", fleet.AgentOutput, StringComparison.Ordinal);
        foreach (var secret in secrets)
        {
            evidence.AssertNowhere(secret);
            evidence.AssertNowhere(secret[^32..]);
        }
    }

    /// <summary>The same look finds what is no secret: so it looks where things are.</summary>
    private static void AssertFound(Evidence evidence, string planted)
    {
        Assert.Equal(["database", "message"], evidence.PlacesOf(planted).Intersect(["database", "message"], StringComparer.Ordinal));
        Assert.Equal(["database", "log", "message"], evidence.PlacesOf(Runtimes[0]).Intersect(["database", "log", "message"], StringComparer.Ordinal));
    }
}
