using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public sealed class EmbeddedDelayedMessageTests(EmbeddedBackend backend) : DelayedMessageTests(backend), IClassFixture<EmbeddedBackend>;

public sealed class ServersDelayedMessageTests(ServersBackend backend) : DelayedMessageTests(backend), IClassFixture<ServersBackend>;

/// <summary>Messages that are not due at once, requests, filters, and what does not concern the outbox.</summary>
public abstract class DelayedMessageTests(Backend backend)
{
    [Fact]
    public async Task Given_a_delayed_message_Then_it_waits_until_it_is_due_and_holds_up_no_other()
    {
        await using var host = await StartAsync();
        var due = DateTime.MaxValue;
        await host.InScopeAsync(async (scope, db) =>
        {
            var bus = scope.GetRequiredService<IPublishEndpoint>();
            await bus.Publish(new Routed("a", 1), context => context.Delay = TimeSpan.FromSeconds(2));
            due = TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(1.9);
            await bus.Publish(new Routed("a", 2));
            await db.SaveChangesAsync();
        });
        await host.Recorder.UntilAsync<Routed>(2);
        Assert.True(TimeProvider.System.GetUtcNow().UtcDateTime >= due);
        Assert.Equal([2, 1], host.Recorder.Snapshot().Select(r => ((Routed)r.Message).Number));
        await host.OutboxIsEmptyAsync();
    }

    [Fact]
    public async Task Given_a_consumer_that_delays_a_message_Then_the_others_leave_with_it_still_waiting()
    {
        await using var host = await StartAsync();
        await host.Service<IBus>().Publish(new DelayRequested());
        await host.Recorder.UntilAsync<Routed>(2);
        Assert.Equal([2, 1], host.Recorder.Snapshot().Select(r => r.Message).OfType<Routed>().Select(routed => routed.Number));
        await host.OutboxIsEmptyAsync();
    }

    [Fact]
    public async Task Given_a_request_client_in_a_scope_Then_the_request_does_not_wait_for_SaveChanges()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, _) =>
        {
            var answer = await scope.GetRequiredService<IRequestClient<Question>>().GetResponse<Answer>(new Question("why"));
            Assert.Equal("why?", answer.Message.Text);
        });
    }

    [Fact]
    public async Task Given_the_mediator_Then_its_messages_do_not_go_to_the_outbox()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, _) => await scope.GetRequiredService<MassTransit.Mediator.IMediator>().Publish(new NoteWritten("mediated")));
        Assert.Equal("mediated", Assert.Single(await host.Recorder.UntilAsync<NoteWritten>(1)).Text);
        Assert.Equal(0, await host.ReadAsync(db => db.Set<OutboxMessage>().CountAsync()));
    }

    [Fact]
    public async Task Given_a_scoped_filter_Then_it_sees_a_message_once_in_the_scope_that_publishes_it()
    {
        await using var host = await StartAsync();
        await host.InScopeAsync(async (scope, db) =>
        {
            scope.GetRequiredService<Tenant>().Name = "ann";
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Routed("a", 1));
            await db.SaveChangesAsync();
        });
        await host.Recorder.UntilAsync<Routed>(1);
        Assert.Equal("ann 1", Assert.Single(host.Recorder.Snapshot()).Context.Headers.Get<string>("tenant"));
    }

    private Task<TestHost> StartAsync() => TestHost.StartAsync(backend,
        bus =>
        {
            bus.AddScoped<Tenant>();
            bus.AddConsumer<DelayingConsumer>();
            bus.AddConsumer<AnsweringConsumer>();
            bus.AddRequestClient<Question>(new Uri("queue:questions"));
            bus.AddMediator(mediator => mediator.AddConsumer<MediatedConsumer>());
        },
        (context, bus, recorder) =>
        {
            bus.UsePublishFilter(typeof(TenantFilter<>), context);
            bus.RecordRouted(backend, recorder, "routed", "a");
            bus.ReceiveEndpoint("questions", endpoint =>
            {
                endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
                endpoint.ConfigureConsumer<DelayingConsumer>(context);
                endpoint.ConfigureConsumer<AnsweringConsumer>(context);
            });
        });

    private sealed class Tenant
    {
        public string? Name { get; set; }

        public int Uses { get; set; }
    }

    private sealed class TenantFilter<T>(Tenant tenant) : IFilter<PublishContext<T>> where T : class
    {
        public Task Send(PublishContext<T> context, IPipe<PublishContext<T>> next)
        {
            if (tenant.Name is not null)
                context.Headers.Set("tenant", $"{tenant.Name} {++tenant.Uses}");
            return next.Send(context);
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("tenant");
    }

    private sealed class DelayingConsumer : IConsumer<DelayRequested>
    {
        public async Task Consume(ConsumeContext<DelayRequested> context)
        {
            await context.Publish(new Routed("a", 1), publish => publish.Delay = TimeSpan.FromSeconds(1));
            await context.Publish(new Routed("a", 2));
        }
    }

    private sealed class AnsweringConsumer : IConsumer<Question>
    {
        public Task Consume(ConsumeContext<Question> context) => context.RespondAsync(new Answer(context.Message.Text + "?"));
    }

    private sealed class MediatedConsumer(Recorder recorder) : IConsumer<NoteWritten>
    {
        public Task Consume(ConsumeContext<NoteWritten> context)
        {
            recorder.Add(new Recorded("mediator", context.Message, context));
            return Task.CompletedTask;
        }
    }
}

public sealed record DelayRequested;
