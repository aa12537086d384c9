using System.Text.Json.Nodes;
using Governor.Contracts;
using Governor.IntegrationTests.Credentials;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Events;

/// <summary>Each public event reaches a subscriber that knows only the contracts: once for each fact.</summary>
public sealed class PublicEventTests(EventFixture fixture) : IClassFixture<EventFixture>
{
    private const string Started = "governor.rollout-started";
    private const string WaveCompleted = "governor.wave-completed";
    private const string Completed = "governor.rollout-completed";
    private const string Detected = "governor.drift-detected";
    private const string Corrected = "governor.drift-corrected";
    private const string Current = "governor.credential-version-current";
    private const string Revocable = "governor.credential-version-revocable";

    /// <summary>What makes each event happen, and the facts that then are to be told.</summary>
    private static readonly Dictionary<string, Func<PublicEventTests, Task<IReadOnlyList<Fact>>>> Scenarios = new(StringComparer.Ordinal)
    {
        ["governor.runtime-registered"] = tests => tests.RegisterTwoAndRelabelOneAsync(),
        ["governor.runtime-silent"] = tests => tests.KillAnAgentAsync(),
        [Started] = async tests => [new(Started, ("rolloutId", await tests.RollOutAsync("started")), ("configuration", "started"))],
        [WaveCompleted] = async tests => [new(WaveCompleted, ("rolloutId", await tests.RollOutAsync("wave")), ("wave", "0"))],
        [Completed] = async tests => [new(Completed, ("rolloutId", await tests.RollOutAsync("completed")), ("state", "Succeeded"))],
        [Detected] = async tests => [new(Detected, await tests.ChangeByHandAsync("detected"))],
        [Corrected] = async tests => [new(Corrected, await tests.ChangeByHandAsync("corrected"))],
        [Current] = async tests => await tests.RotateTwiceAsync("current", Current, 1, 2),
        [Revocable] = async tests => await tests.RotateTwiceAsync("revocable", Revocable, 1),
    };

    private DirectorApi Api => fixture.Api;

    public static TheoryData<string> Events => [.. ForeignSubscriber.PublicEvents.Keys.Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Events))]
    public async Task Given_a_foreign_subscriber_When_something_happens_Then_its_public_event_comes_once(string name)
    {
        if (!Scenarios.TryGetValue(name, out var happen))
            Assert.Fail($"Nothing here makes the public event {name} happen: add a scenario.");

        await OncePerFact.AssertAsync(fixture.Subscriber, fixture.Rows, await happen(this));
    }

    [Theory]
    [InlineData("Succeeded")]
    [InlineData("CompletedWithFailures")]
    [InlineData("CompletedWithDeferred")]
    [InlineData("Failed")]
    [InlineData("Aborted")]
    [InlineData("RolledBack")]
    [InlineData("Superseded")]
    public async Task Given_a_rollout_When_it_ends_Then_its_start_and_its_final_state_are_told_once(string state)
    {
        var name = $"ends-{state.ToLowerInvariant()}";
        await Api.RegisterAsync([name], ("fleet", name));
        await Api.WaitUntilProvisionedAsync([name]);
        await using var fleet = state == "CompletedWithDeferred" ? null : await HeardFleetAsync(name);
        var agent = fleet?.Agents[name];
        if (agent is not null && state is "Failed" or "CompletedWithFailures")
            agent.Outcome = _ => ApplyOutcome.Failed;
        if (agent is not null)
            agent.Silent = state is "Aborted" or "RolledBack" or "Superseded";

        var rolloutId = await Api.ChangeAsync(name, Content(name, 1, maxFailures: state == "CompletedWithFailures" ? 1 : 0));
        if (agent is { Silent: true })
        {
            await Eventually.TrueAsync(
                async () => await Api.TargetStateAsync(rolloutId, name) == "Dispatched", RunningDirector.Patience, "it is sent to");
            await EndAsync(state, name, rolloutId);
            agent.Silent = false;
            await fleet!.ReportAsync(name);
        }

        await Api.WaitUntilEndedAsync(rolloutId, state);

        await OncePerFact.AssertAsync(fixture.Subscriber, fixture.Rows,
        [
            new(Started, ("rolloutId", rolloutId), ("tenant", "default"), ("configuration", name), ("revision", "1"), ("targets", "1")),
            new(Completed, ("rolloutId", rolloutId)),
            new(Completed, ("rolloutId", rolloutId), ("configuration", name), ("state", state)),
        ]);
        Assert.Empty(fleet?.Failures ?? []);
    }

    private async Task EndAsync(string state, string name, string rolloutId)
    {
        if (state == "Superseded")
        {
            await Api.ChangeAsync(name, Content(name, 2));
            return;
        }

        using var answer = await Api.SendAsync(
            HttpMethod.Post, $"/admin/rollouts/{rolloutId}/{(state == "Aborted" ? "abort" : "rollback")}", body: null);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(CancellationToken.None));
    }

    private async Task<IReadOnlyList<Fact>> RegisterTwoAndRelabelOneAsync()
    {
        await Api.RegisterAsync(["registered-1", "registered-2"], ("fleet", "registered"));
        await Api.RegisterAsync(["registered-1"], ("fleet", "relabelled"));
        return
        [
            .. new[] { "registered-1", "registered-2" }.Select(id =>
                new Fact("governor.runtime-registered", ("runtimeId", id), ("tenant", "default"), ("kind", "standalone-kyma"))),
        ];
    }

    private async Task<IReadOnlyList<Fact>> KillAnAgentAsync()
    {
        using var folder = new AgentFolder("silent");
        await Api.RegisterAsync(["silent"], ("fleet", "silent"));
        await using (var agent = folder.StartAgent(fixture.Sandbox, ("Agent__ReportInterval", "00:00:01")))
        {
            await Api.WaitUntilHeardAsync(["silent"]);
            await agent.KillAsync();
        }

        var silent = new Fact("governor.runtime-silent", ("runtimeId", "silent"), ("tenant", "default"));
        await Eventually.TrueAsync(() => silent.In(fixture.Subscriber).Count > 0, RunningDirector.Patience, "its silence is noticed");
        await TwoMoreDriftRunsAsync();
        return [silent];
    }

    private async Task<string> RollOutAsync(string name)
    {
        await Api.RegisterAsync([name], ("fleet", name));
        await Api.WaitUntilProvisionedAsync([name]);
        await using var fleet = await HeardFleetAsync(name);
        var rolloutId = await Api.ChangeAsync(name, Content(name, 1));
        await Api.WaitUntilEndedAsync(rolloutId, "Succeeded");
        return rolloutId;
    }

    /// <summary>A file that somebody touches, and that is put right by itself.</summary>
    private async Task<(string, string)[]> ChangeByHandAsync(string name)
    {
        using var folder = new AgentFolder(name);
        await Api.RegisterAsync([name], ("fleet", name));
        await using var agent = folder.StartAgent(fixture.Sandbox, ("Agent__ReportInterval", "00:00:01"));
        await Api.WaitUntilHeardAsync([name]);
        await Api.WaitUntilEndedAsync(await Api.ChangeAsync(name, Content(name, 1)), "Succeeded");
        await File.AppendAllTextAsync(folder.ComponentPath, "# by hand\n", CancellationToken.None);

        (string, string)[] says = [("runtimeId", name), ("tenant", "default"), ("configuration", name), ("kind", "Tampered")];
        var corrected = new Fact(Corrected, says);
        await Eventually.TrueAsync(() => corrected.In(fixture.Subscriber).Count > 0, RunningDirector.Patience, "the drift is corrected");
        await TwoMoreDriftRunsAsync();
        return says;
    }

    /// <summary>A credential that nobody uses: each version is current at once, and the one before it is held by nobody.</summary>
    private async Task<IReadOnlyList<Fact>> RotateTwiceAsync(string name, string told, params int[] versions)
    {
        foreach (var password in (string[])["one", "two"])
            await Api.WaitUntilEndedAsync(await Api.RotateAsync(name, password, new { overlap = "00:00:00" }), "Succeeded");
        Fact[] facts = [.. versions.Select(version =>
            new Fact(told, ("credential", name), ("version", $"{version}"), ("tenant", "default")))];
        await Eventually.TrueAsync(() => facts.All(fact => fact.In(fixture.Subscriber).Count > 0), RunningDirector.Patience, "it is told");
        await TwoMoreDriftRunsAsync();
        return facts;
    }

    /// <summary>Two, because the first may have begun before: what a run would tell twice the second has told.</summary>
    private async Task TwoMoreDriftRunsAsync()
    {
        const string Finished = "SELECT count(*) FROM drift_runs WHERE finished_at IS NOT NULL";
        await fixture.Rows.WaitForAsync(await fixture.Rows.ScalarAsync<long>(Finished) + 2, Finished);
    }

    private async Task<SimulatedFleet> HeardFleetAsync(string runtimeId)
    {
        var fleet = await SimulatedFleet.StartAsync(fixture.Sandbox.RabbitMq, [runtimeId]);
        await Api.WaitUntilHeardAsync([runtimeId]);
        return fleet;
    }

    private static string Content(string name, int number, int maxFailures = 0)
    {
        var content = JsonNode.Parse(Contents.Logging($"https://logs.example/{number}", "fleet", name))!;
        content["policy"] = new JsonObject { ["maxFailures"] = maxFailures };
        return content.ToJsonString();
    }
}
