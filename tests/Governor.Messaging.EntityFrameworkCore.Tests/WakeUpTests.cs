using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>Messages that one process writes and another delivers, long before that would look by itself.</summary>
public sealed class WakeUpTests(ServersBackend backend) : IClassFixture<ServersBackend>
{
    [Fact]
    public async Task Given_another_process_that_delivers_When_a_message_is_committed_Then_that_process_hears_of_it()
    {
        await using var deliverer = await StartAsync(delivers: true);
        await ListensAsync(1);
        await using var writer = await StartAsync(delivers: false);
        for (var i = 0; i < 5; i++)
        {
            await PublishAsync(writer, i);
            await deliverer.Recorder.UntilAsync<Routed>(i + 1);
        }
    }

    [Fact]
    public async Task Given_a_listener_whose_connection_breaks_Then_it_connects_again_and_finds_what_it_missed()
    {
        await using var deliverer = await StartAsync(delivers: true);
        await ListensAsync(1);
        await using var writer = await StartAsync(delivers: false);
        await ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'");
        await PublishAsync(writer, 1);
        await deliverer.Recorder.UntilAsync<Routed>(1);
        await ListensAsync(1);
        await PublishAsync(writer, 2);
        await deliverer.Recorder.UntilAsync<Routed>(2);
    }

    [Fact]
    public async Task Given_two_outboxes_in_a_database_Then_one_connection_listens_for_both()
    {
        foreach (var context in (AppDbContext[])[new PlainDbContext(Options<PlainDbContext>()), new OtherDbContext(Options<OtherDbContext>())])
            await AppHost.CreateTablesAsync(context);
        await using (await AppHost.StartAsync((services, _) =>
        {
            services.AddDbContext<PlainDbContext>(backend.UseDatabase);
            services.AddDbContext<OtherDbContext>(backend.UseDatabase);
            services.AddMassTransit(bus =>
            {
                bus.AddTestOutbox<PlainDbContext>(backend);
                bus.AddTestOutbox<OtherDbContext>(backend);
                backend.UseTransport(bus, (_, _) => { });
            });
        }))
            await ListensAsync(1);
        await ListensAsync(0);
    }

    private static Task PublishAsync(TestHost host, int number) => host.InScopeAsync(async (scope, db) =>
    {
        await scope.GetRequiredService<IPublishEndpoint>().Publish(new Routed("a", number));
        await db.SaveChangesAsync();
    });

    private DbContextOptions<T> Options<T>() where T : DbContext
    {
        var options = new DbContextOptionsBuilder<T>();
        backend.UseDatabase(options);
        return options.Options;
    }

    private Task ListensAsync(int connections) => Eventually.HoldsAsync(async () => connections == Convert.ToInt32(await ExecuteAsync(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'"),
        System.Globalization.CultureInfo.InvariantCulture), $"{connections} connections listen");

    private async Task<object?> ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(backend.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    private Task<TestHost> StartAsync(bool delivers) => TestHost.StartAsync(backend, empty: delivers,
        outbox: outbox =>
        {
            outbox.QueryDelay = TimeSpan.FromMinutes(10);
            if (!delivers)
                outbox.UseBusOutbox(bus => bus.DisableDeliveryService());
        },
        configure: (_, bus, recorder) =>
        {
            if (delivers)
                bus.RecordRouted(backend, recorder, "routed", "a");
        });
}
