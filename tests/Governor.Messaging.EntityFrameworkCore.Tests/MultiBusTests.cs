using MassTransit;
using MassTransit.DependencyInjection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

public interface ISecondBus : IBus;

/// <summary>Several buses, and several DbContexts.</summary>
public sealed class MultiBusTests(EmbeddedBackend backend) : IClassFixture<EmbeddedBackend>
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Given_two_buses_Then_each_message_leaves_over_the_bus_that_it_was_published_on(bool sharedDbContext)
    {
        await CreateTablesAsync();
        await using var host = await AppHost.StartAsync((services, recorder) =>
        {
            services.AddDbContext<PlainDbContext>(backend.UseDatabase);
            services.AddDbContext<OtherDbContext>(backend.UseDatabase);
            services.AddMassTransit(bus =>
            {
                bus.AddTestOutbox<PlainDbContext>(backend);
                bus.UsingInMemory((_, factory) =>
                {
                    factory.Host("first");
                    factory.Record<NoteWritten>(recorder, "first");
                });
            });
            services.AddMassTransit<ISecondBus>(bus =>
            {
                if (sharedDbContext)
                    bus.AddTestOutbox<PlainDbContext>(backend);
                else
                    bus.AddTestOutbox<OtherDbContext>(backend);
                bus.UsingInMemory((_, factory) =>
                {
                    factory.Host("second");
                    factory.Record<NoteWritten>(recorder, "second");
                });
            });
        });

        await host.InScopeAsync(async scope =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new NoteWritten("to the first"));
            await scope.GetRequiredService<Bind<ISecondBus, IPublishEndpoint>>().Value.Publish(new NoteWritten("to the second"));
            Assert.Empty(host.Recorder.Snapshot());
            await scope.GetRequiredService<PlainDbContext>().SaveChangesAsync();
            await scope.GetRequiredService<OtherDbContext>().SaveChangesAsync();
        });

        await host.Recorder.UntilAsync<NoteWritten>(2);
        Assert.Equal([("first", "to the first"), ("second", "to the second")],
            host.Recorder.Snapshot().Select(r => (r.Queue, ((NoteWritten)r.Message).Text)).Order());
    }

    [Fact]
    public async Task Given_consumers_with_a_DbContext_each_Then_each_has_its_own_inbox_and_outbox()
    {
        await CreateTablesAsync();
        await using var host = await AppHost.StartAsync((services, recorder) =>
        {
            services.AddDbContext<PlainDbContext>(backend.UseDatabase);
            services.AddDbContext<OtherDbContext>(backend.UseDatabase);
            services.AddMassTransit(bus =>
            {
                bus.AddTestOutbox<PlainDbContext>(backend);
                bus.AddTestOutbox<OtherDbContext>(backend);
                bus.AddConsumer<CountedConsumer<PlainDbContext>>();
                bus.AddConsumer<CountedConsumer<OtherDbContext>>();
                bus.UsingInMemory((context, factory) =>
                {
                    factory.ReceiveEndpoint("plain", endpoint =>
                    {
                        endpoint.UseEntityFrameworkOutbox<PlainDbContext>(context);
                        endpoint.ConfigureConsumer<CountedConsumer<PlainDbContext>>(context);
                    });
                    factory.ReceiveEndpoint("other", endpoint =>
                    {
                        endpoint.UseEntityFrameworkOutbox<OtherDbContext>(context);
                        endpoint.ConfigureConsumer<CountedConsumer<OtherDbContext>>(context);
                    });
                    factory.Record<NoteWritten>(recorder, "notes");
                });
            });
        });
        var id = Guid.NewGuid();
        await host.Service<IBus>().Publish(new Counted(id));
        await host.Recorder.UntilAsync<NoteWritten>(2);
        await host.InScopeAsync(async scope =>
        {
            foreach (var db in (AppDbContext[])[scope.GetRequiredService<PlainDbContext>(), scope.GetRequiredService<OtherDbContext>()])
            {
                Assert.Equal(1, await db.Entries.CountAsync(entry => entry.Id == id));
                Assert.Equal(1, await db.Set<MassTransit.EntityFrameworkCoreIntegration.InboxState>().CountAsync());
            }
        });
    }

    private async Task CreateTablesAsync()
    {
        var plain = new DbContextOptionsBuilder<PlainDbContext>();
        backend.UseDatabase(plain);
        await AppHost.CreateTablesAsync(new PlainDbContext(plain.Options));
        var other = new DbContextOptionsBuilder<OtherDbContext>();
        backend.UseDatabase(other);
        await AppHost.CreateTablesAsync(new OtherDbContext(other.Options));
    }
}
