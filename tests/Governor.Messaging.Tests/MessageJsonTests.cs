using System.Text.Json;
using Governor.Contracts;
using MassTransit;

namespace Governor.Messaging.Tests;

public sealed class MessageJsonTests
{
    [Fact]
    public async Task Given_a_ConfigurationUpdated_When_it_is_sent_Then_its_body_is_this_JSON()
    {
        var message = new ConfigurationUpdated(
            "edge-1",
            9007199254740991,
            new DesiredState(
                [
                    new DesiredConfiguration("logging", 3, "ab12",
                    [
                        new DesiredComponent("sink", "bindings.http", "v1",
                            [
                                new ComponentSetting("url", Samples.Json("\"https://logs.example/ä?a=1&b=<2>\"")),
                                new ComponentSetting("retries", Samples.Json("3")),
                                new ComponentSetting("token", SecretKeyRef: new SecretKeyRef("logging", "token")),
                            ],
                            ["app-a"]),
                    ]),
                ],
                [new DesiredCredential("logging", 2, "v-2")],
                "eyJ.secrets"),
            RolloutId: "r-1",
            Configuration: "logging",
            Revision: 3);

        var (body, received) = await SendAsync(message);

        Assert.Equal(
            """
            {"runtimeId":"edge-1","generation":9007199254740991,"desired":{"configurations":[{"name":"logging","revision":3,"digest":"ab12","components":[{"name":"sink","type":"bindings.http","version":"v1","metadata":[{"name":"url","value":"https://logs.example/ä?a=1&b=<2>"},{"name":"retries","value":3},{"name":"token","secretKeyRef":{"name":"logging","key":"token"}}],"scopes":["app-a"],"shadowed":false}]}],"credentials":[{"name":"logging","version":2,"versionId":"v-2"}],"secrets":"eyJ.secrets"},"rolloutId":"r-1","configuration":"logging","revision":3}
            """,
            body);
        var settings = received.Desired.Configurations[0].Components[0].Metadata;
        Assert.Equal("https://logs.example/ä?a=1&b=<2>", settings[0].Value!.Value.GetString());
        Assert.Equal(3, settings[1].Value!.Value.GetInt32());
        Assert.Null(settings[2].Value);
        Assert.Equal(new SecretKeyRef("logging", "token"), settings[2].SecretKeyRef);
        Assert.Equal(9007199254740991, received.Generation);
    }

    [Fact]
    public async Task Given_a_report_When_it_is_sent_Then_times_durations_and_outcomes_are_written_as_promised_and_nulls_left_out()
    {
        var message = Samples.Report("edge-1") with
        {
            ReportInterval = TimeSpan.FromSeconds(66),
            Configurations = [new ReportedConfiguration("logging", null, ApplyOutcome.Rejected, "ab12", "foreign", "not ours")],
            Credentials = [new ReportedCredential("logging", "v-2")],
        };

        var (body, received) = await SendAsync(message);

        Assert.Equal(
            """
            {"runtimeId":"edge-1","epoch":0,"number":1,"generation":1,"reportInterval":"00:01:06","observedAt":"2026-01-02T03:04:05+00:00","configurations":[{"name":"logging","outcome":"rejected","outcomeDigest":"ab12","reason":"foreign","message":"not ours"}],"credentials":[{"name":"logging","versionId":"v-2"}]}
            """,
            body);
        Assert.Equal(message.ReportInterval, received.ReportInterval);
        Assert.Equal(message.ObservedAt, received.ObservedAt);
        Assert.Equal(message.Configurations, received.Configurations);
        Assert.Equal(message.Credentials, received.Credentials);
        Assert.Null(received.Kid);
    }

    [Theory]
    [InlineData("true")]
    [InlineData("1.50")]
    [InlineData("\"text\"")]
    [InlineData("""{"b":[1,null],"a":{}}""")]
    public async Task Given_any_JSON_as_a_setting_When_it_is_sent_Then_it_arrives_letter_by_letter(string json)
    {
        var component = new DesiredComponent("c", "t", "v1", [new ComponentSetting("s", Samples.Json(json))], []);

        var (_, received) = await SendAsync(new ConfigurationUpdated(
            "edge-1", 1, new DesiredState([new DesiredConfiguration("n", 1, "d", [component])], [])));

        Assert.Equal(json, received.Desired.Configurations[0].Components[0].Metadata[0].Value!.Value.GetRawText());
    }

    private static async Task<(string Body, T Received)> SendAsync<T>(T message)
        where T : class
    {
        var arrived = new TaskCompletionSource<(string, T)>();
        await using var host = await BusHost.StartInMemoryAsync(bus => bus.Endpoints((context, cfg) =>
            cfg.DirectorEndpoint(context, "any", endpoint => endpoint.Handler<T>(consumed =>
            {
                // As text, not parsed and written again: the escapes count.
                var envelope = JsonDocument.Parse(consumed.ReceiveContext.GetBody());
                arrived.SetResult((envelope.RootElement.GetProperty("message").GetRawText(), consumed.Message));
                return Task.CompletedTask;
            }))));

        var queue = await host.Bus.GetSendEndpoint(new Uri("queue:any"));
        await queue.Send(message);
        return await arrived.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }
}
