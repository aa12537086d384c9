using System.Net;
using System.Text.Json;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Crashes;

/// <summary>After a rejection, a failure and an abort: who did not apply the content holds what it held, and nothing is sent.</summary>
public sealed class SteadyStateTests
{
    private const string Denied = "bindings.rabbitmq";

    /// <summary>Long enough that a busy machine does not make a pause of it that the Director asks about.</summary>
    private static readonly (string, string?) Often = ("Agent__ReportInterval", "00:00:05");

    [Fact]
    public async Task Given_a_rejected_a_failed_and_an_aborted_rollout_When_all_is_quiet_Then_nothing_but_reports_and_a_standbys_enrolment_is_sent()
    {
        await using var sandbox = await Sandbox.CreateAsync();
        await using var rows = Rows.Of(sandbox);
        await using var director = await RunningDirector.StartAsync(
            sandbox, ("Drift__Interval", "00:00:02"), ("Delivery__Deadline", "00:00:03"));
        using var first = new AgentFolder("calm-1");
        using var picky = new AgentFolder("calm-2");
        using var last = new AgentFolder("calm-3");
        string[] ids = ["calm-1", "calm-2", "calm-3"];
        await director.Api.RegisterAsync(ids, ("fleet", "calm"));
        await using var agent = first.StartAgent(sandbox, Often);
        await using var pickyAgent = picky.StartAgent(sandbox, Often, ("Agent__DeniedComponentTypes__0", Denied));
        await using var lastAgent = last.StartAgent(sandbox, Often);
        await director.Api.WaitUntilHeardAsync(ids);
        await using var standby = first.StartAgent(sandbox, Often);

        await RollOutAsync(director, "one", "bindings.http", new { }, "Succeeded");
        await RollOutAsync(director, "two", Denied, new { maxConcurrency = 1 }, "Failed");
        await UntilHoldsAsync(rows, (first, "two"), (picky, "one"), (last, "one"));

        await RollOutAsync(director, "three", Denied, new { maxFailures = 1 }, "CompletedWithFailures");
        await UntilHoldsAsync(rows, (first, "three"), (picky, "one"), (last, "three"));

        lastAgent.Freeze();
        var rolloutId = await director.Api.ChangeAsync("calm", Change("four", "bindings.http", new { progressDeadline = "00:00:05" }));
        await rows.WaitForAsync(2, "SELECT count(*) FROM rollout_targets WHERE rollout_id = $1 AND state = 'Applied'", Guid.Parse(rolloutId));
        using (var aborted = await director.Api.SendAsync(HttpMethod.Post, $"/admin/rollouts/{rolloutId}/abort", body: null))
            Assert.Equal(HttpStatusCode.OK, aborted.StatusCode);
        await director.Api.WaitUntilEndedAsync(rolloutId, "Aborted");
        lastAgent.Thaw();
        await UntilHoldsAsync(rows, (first, "four"), (picky, "four"), (last, "three"));

        await DirectorCrashTests.EverythingIsToldAsync(rows);
        var watch = await BrokerWatch.StartAsync(sandbox, ids);
        await using (watch)
        {
            var runs = await rows.ScalarAsync<long>("SELECT count(*) FROM drift_runs WHERE finished_at IS NOT NULL");
            await rows.WaitForAsync(runs + 12, "SELECT count(*) FROM drift_runs WHERE finished_at IS NOT NULL");
            Assert.Equal(["governor.agent-enrolled", "governor.runtime-reported"],
                watch.Exchanges.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        }

        await UntilHoldsAsync(rows, (first, "four"), (picky, "four"), (last, "three"));
        Assert.Equal(0, await rows.ScalarAsync<long>("SELECT count(*) FROM drift_findings"));
    }

    private static async Task RollOutAsync(RunningDirector director, string name, string type, object policy, string state) =>
        await director.Api.WaitUntilEndedAsync(await director.Api.ChangeAsync("calm", Change(name, type, policy)), state);

    private static string Change(string name, string type, object policy) => JsonSerializer.Serialize(new
    {
        components = new[]
        {
            new { name = Contents.Component, type, metadata = new[] { new { name = "url", value = Url(name) } } },
        },
        target = new { matchLabels = new { fleet = "calm" } },
        policy,
    });

    private static string Url(string name) => $"https://calm.example/{name}";

    private static async Task UntilHoldsAsync(Rows rows, params (AgentFolder Folder, string Name)[] expected)
    {
        await Eventually.TrueAsync(
            () => expected.All(e => e.Folder.Holds(Url(e.Name))), RunningDirector.Patience,
            $"the runtimes hold {string.Join(", ", expected.Select(e => e.Name))}");
        await rows.WaitForAsync(expected.Length, "SELECT count(*) FROM runtimes WHERE generation = reported_generation");
    }
}
