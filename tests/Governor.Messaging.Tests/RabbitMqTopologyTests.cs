using System.Text;
using System.Text.Json;
using Governor.Contracts;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;

namespace Governor.Messaging.Tests;

public sealed class RabbitMqTopologyTests(RabbitMqServer server) : IClassFixture<RabbitMqServer>
{
    private static readonly string[] RuntimeExchanges =
        ["governor.configuration-updated", "governor.credential-rotated", "governor.report-requested"];

    private readonly Inbox<DeadLettered> _deadLetters = new();

    [Fact]
    public async Task Given_a_Director_When_it_has_started_Then_the_exchanges_to_Agents_are_direct_with_an_alternate_exchange()
    {
        await using var director = await StartDirectorAsync();

        foreach (var name in RuntimeExchanges)
        {
            var exchange = await UntilExchangeAsync(name);
            Assert.Equal("direct", exchange.GetProperty("type").GetString());
            Assert.True(exchange.GetProperty("durable").GetBoolean());
            Assert.Equal("""{"alternate-exchange":"governor-undeliverable"}""", exchange.GetProperty("arguments").GetRawText());
        }

        foreach (var name in new[] { "governor-dead-letter", "governor.runtime-reported", "governor.agent-enrolled" })
            Assert.Equal("fanout", (await UntilExchangeAsync(name)).GetProperty("type").GetString());
    }

    [Fact]
    public async Task Given_a_full_run_with_a_fault_and_an_unreadable_message_When_the_broker_lists_its_objects_Then_all_have_names_of_ours()
    {
        await using var director = await StartDirectorAsync((context, cfg) =>
            cfg.DirectorEndpoint(context, "governor-reports", e => e.Handler<RuntimeReported>(_ => throw new InvalidOperationException("full"))));
        await using var agent = await BusHost.StartAsync(server.Settings, bus =>
            bus.Endpoints((context, cfg) => cfg.RuntimeEndpoint(context, "full-run", new Inbox<ConfigurationUpdated>().On)));
        await Provisioner(director).ProvisionAsync(["full-run"], TestContext.Current.CancellationToken);

        await agent.Bus.Publish(Samples.Report("full-run"));
        await director.Bus.Publish(Samples.Update("full-run"));
        await PublishRawAsync("", "runtime-full-run", "{ broken"u8.ToArray());

        await _deadLetters.UntilAsync(m => m.Source == "governor-reports" && m.Reason == "full");
        await _deadLetters.UntilAsync(m => m.Source == "runtime-full-run");
        var names = (await server.ListAsync("exchanges")).Concat(await server.ListAsync("queues"))
            .Select(it => it.GetProperty("name").GetString()!)
            .Where(name => name.Length > 0 && !name.StartsWith("amq.", StringComparison.Ordinal)).ToList();
        Assert.All(names, name => Assert.Matches("^(governor[.-][a-z-]+|runtime-[a-z0-9-]+)$", name));
        Assert.DoesNotContain(names, name => name.EndsWith("_error", StringComparison.Ordinal) || name.EndsWith("_skipped", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("quorum")]
    public async Task Given_a_provisioned_runtime_When_its_Agent_declares_the_queue_again_Then_the_arguments_are_equal_and_messages_arrive(string queueType)
    {
        var runtimeId = $"agent-{queueType}-1";
        var updates = new Inbox<ConfigurationUpdated>();
        await using var own = new RabbitMqServer(); // the undeliverable queue is of the same type
        await own.InitializeAsync();
        var settings = own.SettingsFor("guest:guest", queueType);
        await using var director = await BusHost.StartAsync(settings, bus =>
        {
            bus.OwnTopology();
            bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, Topology.Undeliverable, new Inbox<ConfigurationUpdated>().On));
        });
        await Provisioner(director).ProvisionAsync([runtimeId], TestContext.Current.CancellationToken);
        await using var agent = await BusHost.StartAsync(settings, bus =>
            bus.Endpoints((context, cfg) => cfg.RuntimeEndpoint(context, runtimeId, updates.On)));

        await director.Bus.Publish(Samples.Update(runtimeId, 7));

        await updates.UntilAsync(m => m.Generation == 7);
        var queue = await own.FindAsync("queues", $"runtime-{runtimeId}");
        var arguments = queue!.Value.GetProperty("arguments");
        Assert.Equal(16, arguments.GetProperty("x-max-length").GetInt32());
        Assert.Equal("drop-head", arguments.GetProperty("x-overflow").GetString());
        Assert.True(arguments.GetProperty("x-single-active-consumer").GetBoolean());
        Assert.Equal(queueType.Length > 0 ? 4 : 3, arguments.EnumerateObject().Count());
        Assert.Equal(queueType.Length > 0 ? queueType : "classic", queue.Value.GetProperty("type").GetString());
        Assert.True(queue.Value.GetProperty("durable").GetBoolean());
    }

    [Fact]
    public async Task Given_a_runtime_without_a_queue_When_a_message_for_it_is_published_Then_it_lands_among_the_undeliverable()
    {
        var undeliverable = new Inbox<ConfigurationUpdated>();
        await using var director = await StartDirectorAsync((context, cfg) =>
            cfg.DirectorEndpoint(context, Topology.Undeliverable, undeliverable.On));

        await director.Bus.Publish(Samples.Update("never-provisioned", 5));

        await undeliverable.UntilAsync(m => m is { RuntimeId: "never-provisioned", Generation: 5 });
        var bindings = await server.ListAsync("bindings");
        Assert.DoesNotContain(bindings, it => RuntimeExchanges.Contains(it.GetProperty("source").GetString())
            && it.GetProperty("destination").GetString() == Topology.Undeliverable);
    }

    [Fact]
    public async Task Given_a_command_whose_queue_has_its_exchanges_name_When_it_is_published_Then_it_comes_once()
    {
        var commands = new Inbox<DoSomething>();
        await using var director = await StartDirectorAsync((context, cfg) =>
            cfg.DirectorEndpoint(context, "governor-do-something", endpoint =>
            {
                endpoint.ConcurrentMessageLimit = 1;
                commands.On(endpoint);
            }));

        await director.Bus.Publish(new DoSomething("first"));
        await director.Bus.Publish(new DoSomething("last"));

        await commands.UntilAsync(m => m.CommandId == "last");
        Assert.Equal(["first", "last"], commands.Messages.Select(m => m.CommandId));
    }

    [Fact]
    public async Task Given_an_Agent_that_starts_before_any_Director_When_it_publishes_Then_the_message_goes_out_once_the_exchange_exists()
    {
        await using var own = new RabbitMqServer();
        await own.InitializeAsync();
        var enrolments = new Inbox<AgentEnrolled>();
        await using var agent = await BusHost.StartAsync(own.Settings, bus =>
            bus.Endpoints((context, cfg) => cfg.RuntimeEndpoint(context, "early", new Inbox<ConfigurationUpdated>().On)));
        var enrolment = new AgentEnrolled("early", "standalone-kyma", "1", new AgentPublicKey("k", "EC", "P-256", "x", "y"), TimeSpan.FromMinutes(1), "1.0.0");
        var publishing = agent.Bus.Publish(enrolment, TestContext.Current.CancellationToken);

        await using var director = await BusHost.StartAsync(own.Settings, bus =>
        {
            bus.OwnTopology();
            bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, "governor-enrolments", enrolments.On));
        });

        await Poll.UntilAsync(async () =>
        {
            try
            {
                await publishing;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                TestContext.Current.SendDiagnosticMessage("refused: {0}", e.Message);
            }

            publishing = agent.Bus.Publish(enrolment, TestContext.Current.CancellationToken);
            return enrolments.Messages.Count > 0;
        }, () => "nothing came");
        await agent.UntilHealthyAsync();
    }

    [Fact]
    public async Task Given_a_broken_message_without_content_type_When_it_comes_Then_it_becomes_one_dead_letter_with_its_headers()
    {
        await using var director = await StartDirectorAsync((context, cfg) =>
            cfg.DirectorEndpoint(context, "governor-broken", e =>
            {
                e.ConcurrentMessageLimit = 1;
                e.Handler<RuntimeReported>(_ => Task.CompletedTask);
            }));

        await PublishRawAsync("", "governor-broken", "first {"u8.ToArray());
        await PublishRawAsync("", "governor-broken", "last {"u8.ToArray());

        var last = await _deadLetters.UntilAsync(m => TextOf(m) == "last {");
        var first = Assert.Single(_deadLetters.Messages, m => TextOf(m) == "first {");
        Assert.Equal("text", first.Headers["x-sender"]);
        Assert.Equal("governor-broken", first.Source);
        Assert.NotEmpty(first.Reason);
        Assert.NotEqual(first.DeadLetterId, last.DeadLetterId);
    }

    [Fact]
    public async Task Given_a_dead_letter_that_cannot_be_stored_yet_When_it_is_tried_again_Then_it_is_the_same_and_breeds_no_other()
    {
        var (attempts, stored) = (0, new Inbox<DeadLettered>());
        await using var own = new RabbitMqServer();
        await own.InitializeAsync();
        await using var director = await BusHost.StartAsync(own.Settings, bus =>
        {
            bus.OwnTopology();
            bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, "governor-dead-letters", e => e.Handler<DeadLettered>(_ =>
                Interlocked.Increment(ref attempts) <= 7 ? throw new TimeoutException("database is away") : Task.CompletedTask)));
            bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, "governor-dead-letters-seen", stored.On));
        });

        await director.Bus.Publish(new DeadLettered("1", "somewhere", "broken", null, null, null, new Dictionary<string, string>(), null, DateTimeOffset.UnixEpoch));

        await Poll.UntilAsync(() => attempts == 8, () => $"{attempts} attempts");
        Assert.Equal("1", Assert.Single(stored.Messages).DeadLetterId);
    }

    private Task<BusHost> StartDirectorAsync(Action<IBusRegistrationContext, IBusFactoryConfigurator>? endpoints = null) =>
        BusHost.StartAsync(server.Settings, bus =>
        {
            bus.OwnTopology();
            bus.Endpoints((context, cfg) => cfg.DirectorEndpoint(context, "governor-dead-letters", _deadLetters.On));
            if (endpoints is not null)
                bus.Endpoints(endpoints);
        });

    private static IRuntimeProvisioner Provisioner(BusHost director) => director.Services.GetRequiredService<IRuntimeProvisioner>();

    private async Task<JsonElement> UntilExchangeAsync(string name)
    {
        JsonElement? found = null;
        await Poll.UntilAsync(async () => (found = await server.FindAsync("exchanges", name)) is not null, () => $"there is no exchange {name}");
        return found!.Value;
    }

    private async Task PublishRawAsync(string exchange, string routingKey, byte[] body)
    {
        await using var connection = await server.ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        var properties = new BasicProperties { Headers = new Dictionary<string, object?> { ["x-sender"] = "text"u8.ToArray() } };
        await channel.BasicPublishAsync(exchange, routingKey, mandatory: true, properties, body);
    }

    private static string TextOf(DeadLettered deadLetter) => Encoding.UTF8.GetString(Convert.FromBase64String(deadLetter.Body!));
}
