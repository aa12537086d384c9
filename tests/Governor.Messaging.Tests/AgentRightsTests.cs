using Governor.Contracts;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Governor.Messaging.Tests;

/// <summary>An Agent works with the least rights on the broker, and these are the least.</summary>
public sealed class AgentRightsTests(RabbitMqServer server) : IClassFixture<RabbitMqServer>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Given_an_Agent_with_least_rights_When_it_consumes_reports_and_gives_up_Then_all_three_work()
    {
        var (reports, enrolments, deadLetters) = (new Inbox<RuntimeReported>(), new Inbox<AgentEnrolled>(), new Inbox<DeadLettered>());
        await using var director = await StartDirectorAsync(reports, enrolments, deadLetters);
        await ProvisionAsync(director, "mine");
        await using var agent = await BusHost.StartAsync(server.SettingsFor(await CreateAgentUserAsync("mine")), bus =>
            bus.Endpoints((context, cfg) => cfg.RuntimeEndpoint(context, "mine", endpoint => endpoint.Handler<ConfigurationUpdated>(async consumed =>
            {
                if (consumed.Message.Generation == 2)
                    throw new IOException("disk full");
                await consumed.Publish(Samples.Report("mine", consumed.Message.Generation));
            }))));
        await agent.Bus.Publish(new AgentEnrolled("mine", "standalone-kyma", "1", new AgentPublicKey("k", "EC", "P-256", "x", "y"), TimeSpan.FromMinutes(1), "1.0.0"), Token);

        await director.Bus.Publish(Samples.Update("mine", 1), Token);
        await director.Bus.Publish(Samples.Update("mine", 2), Token);
        await PublishAsync(null, "", "runtime-mine");

        await enrolments.UntilAsync(m => m.RuntimeId == "mine");
        await reports.UntilAsync(m => m.Number == 1);
        await deadLetters.UntilAsync(m => m is { Source: "runtime-mine", Reason: "disk full" });
        await deadLetters.UntilAsync(m => m.Source == "runtime-mine" && m.Reason != "disk full");
        await agent.UntilHealthyAsync();
    }

    [Fact]
    public async Task Given_an_Agent_with_least_rights_When_it_tries_anything_else_Then_the_broker_refuses()
    {
        await using var director = await StartDirectorAsync(new(), new(), new());
        await ProvisionAsync(director, "own", "other");
        var agent = await CreateAgentUserAsync("own");

        await RefusedAsync(agent, channel => channel.BasicConsumeAsync("runtime-other", true, new AsyncEventingBasicConsumer(channel), Token));
        await RefusedAsync(agent, channel => channel.BasicGetAsync("runtime-other", true, Token));
        await RefusedAsync(agent, channel => channel.QueuePurgeAsync("runtime-other", Token));
        await RefusedAsync(agent, channel => channel.QueueDeleteAsync("runtime-other", cancellationToken: Token));
        await RefusedAsync(agent, channel => channel.QueueDeclareAsync("anything", cancellationToken: Token));
        await RefusedAsync(agent, channel => channel.QueueBindAsync("runtime-own", "governor.configuration-updated", "other", cancellationToken: Token));
        await RefusedAsync(agent, channel => channel.QueueBindAsync("runtime-own", "governor.runtime-reported", "", cancellationToken: Token));
        foreach (var exchange in new[] { "", "governor.configuration-updated", "governor.report-requested", "governor-undeliverable", "governor-reports" })
            await Assert.ThrowsAnyAsync<Exception>(() => PublishAsync(agent, exchange, "runtime-other"));
    }

    private Task<BusHost> StartDirectorAsync(Inbox<RuntimeReported> reports, Inbox<AgentEnrolled> enrolments, Inbox<DeadLettered> deadLetters) =>
        BusHost.StartAsync(server.Settings, bus =>
        {
            bus.OwnTopology();
            bus.Endpoints((context, cfg) =>
            {
                cfg.DirectorEndpoint(context, "governor-reports", reports.On);
                cfg.DirectorEndpoint(context, "governor-enrolments", enrolments.On);
                cfg.DirectorEndpoint(context, "governor-dead-letters", deadLetters.On);
            });
        });

    private static Task ProvisionAsync(BusHost director, params string[] runtimeIds) =>
        director.Services.GetRequiredService<IRuntimeProvisioner>().ProvisionAsync(runtimeIds, Token);

    private Task<string> CreateAgentUserAsync(string runtimeId) => server.CreateUserAsync(
        configure: $"^runtime-{runtimeId}$",
        write: $@"^(runtime-{runtimeId}|governor\.runtime-reported|governor\.agent-enrolled|governor-dead-letter)$",
        read: $"^runtime-{runtimeId}$");

    private async Task RefusedAsync(string user, Func<IChannel, Task> action)
    {
        await using var connection = await server.ConnectAsync(user);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Token);
        var exception = await Assert.ThrowsAsync<OperationInterruptedException>(() => action(channel));
        Assert.Equal((ushort)403, exception.ShutdownReason!.ReplyCode);
    }

    private async Task PublishAsync(string? user, string exchange, string routingKey)
    {
        await using var connection = await server.ConnectAsync(user);
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Token);
        await channel.BasicPublishAsync(exchange, routingKey, mandatory: false, "broken {"u8.ToArray(), Token);
    }
}
