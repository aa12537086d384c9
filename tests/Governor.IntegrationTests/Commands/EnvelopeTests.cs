using System.Text.Json;
using Governor.Contracts;
using Governor.IntegrationTests.Fleet;
using MassTransit;

namespace Governor.IntegrationTests.Commands;

/// <summary>A service on MassTransit, with its defaults, sends the records of the contracts.</summary>
public sealed class EnvelopeTests(DirectorFixture fixture) : IClassFixture<DirectorFixture>
{
    [Fact]
    public async Task Given_commands_in_envelopes_Then_they_are_carried_out_and_answered_at_the_response_address()
    {
        var bus = Bus.Factory.CreateUsingRabbitMq(rabbit => rabbit.Host(new Uri(fixture.Sandbox.RabbitMq.Replace("amqp://", "rabbitmq://", StringComparison.Ordinal))));
        await bus.StartAsync(TestContext.Current.CancellationToken);
        try
        {
            var labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["fleet"] = "envelope" };
            var registered = await AskAsync(bus, new RegisterRuntime("envelope-c-1", "service", "envelope-1", "standalone-kyma", labels));
            Assert.Equal("envelope-1", registered.Accepted?.RuntimeId);

            var update = new UpdateConfiguration("envelope-c-2", "service", "envelope",
                [new ComponentDefinition("store", "state.redis", Metadata: [new ComponentSetting("redisHost", JsonSerializer.SerializeToElement("redis"))])],
                new ConfigurationTarget(MatchLabels: labels, MatchExpressions: [new LabelCondition("fleet", "Exists")]),
                ExpectedRevision: 0, Policy: JsonSerializer.SerializeToElement(new { maxConcurrency = 1 }));
            var first = await AskAsync(bus, update);
            var again = await AskAsync(bus, update);
            var reused = await AskAsync(bus, update with { Priority = 1 });

            Assert.Equal(1, first.Accepted?.Revision);
            Assert.Equal(first, again);
            Assert.Equal("command-id-reused", reused.Rejected?.Code);
            await fixture.Api.WaitUntilEndedAsync(first.Accepted!.RolloutId!, "CompletedWithDeferred");
        }
        finally
        {
            await bus.StopAsync(CancellationToken.None);
        }
    }

    private static async Task<(CommandAccepted? Accepted, CommandRejected? Rejected)> AskAsync<T>(IBus bus, T command)
        where T : class
    {
        var response = await bus.CreateRequestClient<T>()
            .GetResponse<CommandAccepted, CommandRejected>(command, TestContext.Current.CancellationToken);
        response.Is(out Response<CommandAccepted>? accepted);
        response.Is(out Response<CommandRejected>? rejected);
        return (accepted?.Message, rejected?.Message);
    }
}
