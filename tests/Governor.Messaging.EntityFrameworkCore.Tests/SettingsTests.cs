using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>The settings of an outbox: what holds without them, and which are refused.</summary>
public sealed class SettingsTests(EmbeddedBackend backend) : IClassFixture<EmbeddedBackend>
{
    [Fact]
    public void Given_no_settings_Then_the_defaults_are_those_that_users_know()
    {
        Assert.Equal(
            new Settings(TimeSpan.FromSeconds(5), 100, TimeSpan.FromSeconds(30), 100, TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(30), IsolationLevel.RepeatableRead),
            Registered(_ => { }));
    }

    [Fact]
    public void Given_settings_Then_they_hold()
    {
        var expected = new Settings(
            TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(3), 4, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(6), IsolationLevel.Serializable);
        Assert.Equal(expected, Registered(outbox =>
        {
            outbox.QueryDelay = expected.QueryDelay;
            outbox.QueryMessageLimit = expected.QueryMessageLimit;
            outbox.QueryTimeout = expected.QueryTimeout;
            outbox.DuplicateDetectionWindow = expected.DuplicateDetectionWindow;
            outbox.IsolationLevel = expected.IsolationLevel;
            outbox.UseBusOutbox(bus =>
            {
                bus.MessageDeliveryLimit = expected.MessageDeliveryLimit;
                bus.MessageDeliveryTimeout = expected.MessageDeliveryTimeout;
            });
        }));
    }

    public static TheoryData<string, Action<IEntityFrameworkOutboxConfigurator>> Refused => new()
    {
        { "QueryDelay", outbox => outbox.QueryDelay = TimeSpan.Zero },
        { "QueryMessageLimit", outbox => outbox.QueryMessageLimit = 0 },
        { "QueryTimeout", outbox => outbox.QueryTimeout = TimeSpan.FromSeconds(-1) },
        { "DuplicateDetectionWindow", outbox => outbox.DuplicateDetectionWindow = TimeSpan.Zero },
        { "MessageDeliveryLimit", outbox => outbox.UseBusOutbox(bus => bus.MessageDeliveryLimit = 0) },
        { "MessageDeliveryTimeout", outbox => outbox.UseBusOutbox(bus => bus.MessageDeliveryTimeout = TimeSpan.Zero) },
    };

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public void Given_a_setting_out_of_its_range_Then_the_registration_refuses_it_by_name(string name, Action<IEntityFrameworkOutboxConfigurator> set)
    {
        var exception = Assert.Throws<ConfigurationException>(() => Registered(set));
        Assert.Contains(name, exception.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(PlainDbContext), exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_an_endpoint_with_an_outbox_that_was_not_added_Then_it_says_what_is_missing()
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddDbContext<PlainDbContext>(backend.UseDatabase);
        services.AddMassTransit(bus =>
        {
            bus.AddConsumer<CountedConsumer<PlainDbContext>>();
            bus.AddConfigureEndpointsCallback((context, _, endpoint) => endpoint.UseEntityFrameworkOutbox<PlainDbContext>(context));
            bus.UsingInMemory((context, factory) => factory.ConfigureEndpoints(context));
        });
        await using var provider = services.BuildServiceProvider();
        var exception = Assert.ThrowsAny<Exception>(() => provider.GetRequiredService<IBusControl>());
        Assert.Contains("AddEntityFrameworkOutbox<PlainDbContext>", exception.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Given_an_endpoint_with_options_of_its_own_Then_they_hold_for_its_consumers()
    {
        await using var host = await TestHost.StartAsync(backend, bus => bus.AddConsumer<WriteNoteConsumer>(), (context, bus, recorder) =>
        {
            bus.ReceiveEndpoint("writers", endpoint =>
            {
                endpoint.UseEntityFrameworkOutbox<TestDbContext>(context, options =>
                {
                    options.MessageDeliveryLimit = 1;
                    options.MessageDeliveryTimeout = TimeSpan.FromMinutes(1);
                });
                endpoint.ConfigureConsumer<WriteNoteConsumer>(context);
            });
            bus.RecordRouted(backend, recorder, "routed", "a");
            bus.Record<NoteWritten>(recorder, "notes");
        }, outbox => outbox.UseBusOutbox(bus => bus.MessageDeliveryTimeout = TimeSpan.FromTicks(1))); // Would be too short for any message.
        await host.Service<IBus>().Publish(new WriteNote("patient"));
        Assert.Equal("patient", Assert.Single(await host.Recorder.UntilAsync<NoteWritten>(1)).Text);
        await host.Recorder.UntilAsync<Routed>(2);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Given_a_process_that_does_not_clean_up_Then_the_inbox_is_left_to_others(bool cleansUp)
    {
        var clock = new ShiftedTimeProvider();
        await using var host = await TestHost.StartAsync(backend,
            bus =>
            {
                bus.AddSingleton<TimeProvider>(clock);
                bus.AddConsumer<WriteNoteConsumer>();
            },
            (context, bus, recorder) =>
            {
                bus.ReceiveEndpoint("writers", endpoint =>
                {
                    endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
                    endpoint.ConfigureConsumer<WriteNoteConsumer>(context);
                });
                bus.Record<NoteWritten>(recorder, "notes");
            },
            outbox =>
            {
                if (!cleansUp)
                    outbox.DisableInboxCleanupService();
            });
        await host.Service<IBus>().Publish(new WriteNote("old"));
        await Eventually.HoldsAsync(async () => await host.ReadAsync(db => db.Set<InboxState>().CountAsync(state => state.Delivered != null)) == 1, "it is marked as delivered");
        clock.Ahead = TimeSpan.FromMinutes(31);

        if (cleansUp)
        {
            await Eventually.HoldsAsync(async () => await host.ReadAsync(db => db.Set<InboxState>().CountAsync()) == 0, "the inbox is empty");
            return;
        }

        // The clean-up would look as often as the delivery does.
        host.Commands.Clear();
        await Eventually.HoldsAsync(() => Task.FromResult(host.Commands.Texts.Count(text => text.StartsWith("SELECT", StringComparison.Ordinal)) > 5), "the delivery has looked");
        Assert.Equal(1, await host.ReadAsync(db => db.Set<InboxState>().CountAsync()));
        Assert.DoesNotContain(host.Commands.Texts, text => text.StartsWith("DELETE", StringComparison.Ordinal));
    }

    /// <summary>What a registration leaves in the container.</summary>
    private static Settings Registered(Action<IEntityFrameworkOutboxConfigurator> configure)
    {
        var services = new ServiceCollection();
        services.AddMassTransit(bus => bus.AddEntityFrameworkOutbox<PlainDbContext>(outbox =>
        {
            outbox.UsePostgres();
            configure(outbox);
        }));
        var options = services.Select(service => service.ImplementationInstance).Single(instance => instance?.GetType().Name == "OutboxOptions`1")!;
        T Of<T>(string name) => (T)options.GetType().GetProperty(name)!.GetValue(options)!;
        return new Settings(Of<TimeSpan>(nameof(Settings.QueryDelay)), Of<int>(nameof(Settings.QueryMessageLimit)),
            Of<TimeSpan>(nameof(Settings.QueryTimeout)), Of<int>(nameof(Settings.MessageDeliveryLimit)), Of<TimeSpan>(nameof(Settings.MessageDeliveryTimeout)),
            Of<TimeSpan>(nameof(Settings.DuplicateDetectionWindow)), Of<IsolationLevel>(nameof(Settings.IsolationLevel)));
    }

    private sealed record Settings(TimeSpan QueryDelay, int QueryMessageLimit, TimeSpan QueryTimeout, int MessageDeliveryLimit,
        TimeSpan MessageDeliveryTimeout, TimeSpan DuplicateDetectionWindow, IsolationLevel IsolationLevel);
}
