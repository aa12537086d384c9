using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Governor.Messaging.EntityFrameworkCore.Tests;

/// <summary>A database of its own in PostgreSQL and a virtual host of its own in RabbitMQ, removed afterwards.</summary>
public sealed class ServersBackend : Backend
{
    private readonly string _name = $"governor-efcore-{Guid.NewGuid():N}";
    private readonly string _postgres = Required("GOVERNOR_TEST_POSTGRES");
    private readonly Uri _rabbitMq = new(Required("GOVERNOR_TEST_RABBITMQ"));
    private readonly Uri _management = new(Required("GOVERNOR_TEST_RABBITMQ_MANAGEMENT"));

    /// <summary>The broker's port, for a test that puts itself in between.</summary>
    public int RabbitMqPort => _rabbitMq.Port;

    /// <summary>The virtual host, with the user's name and password.</summary>
    public Uri BrokerUri => new($"amqp://{_rabbitMq.UserInfo}@{_rabbitMq.Host}:{_rabbitMq.Port}/{_name}");

    /// <summary>Where buses connect, if not to the broker itself.</summary>
    public int? ConnectTo { get; set; }

    public string ConnectionString =>
        new NpgsqlConnectionStringBuilder(_postgres) { Database = _name, MaxPoolSize = 50 }.ConnectionString;

    public override void UseDatabase(DbContextOptionsBuilder options) => options.UseNpgsql(ConnectionString);

    public override void UseRetryingDatabase(DbContextOptionsBuilder options) =>
        options.UseNpgsql(ConnectionString, npgsql => npgsql.EnableRetryOnFailure(3, TimeSpan.FromMilliseconds(200), ["40001", "40P01"]));

    public override ILockStatementProvider Locks { get; } = new PostgresLockStatementProvider();

    public override void UseDatabase(IEntityFrameworkOutboxConfigurator outbox) => outbox.UsePostgres();

    public override void UseDatabase(IEntityFrameworkSagaRepositoryConfigurator repository) => repository.UsePostgres();

    public override void UseTransport(
        IBusRegistrationConfigurator bus, Action<IBusRegistrationContext, IBusFactoryConfigurator> configure) =>
        bus.UsingRabbitMq((context, factory) =>
        {
            var (user, password) = Credentials();
            factory.Host(_rabbitMq.Host, (ushort)(ConnectTo ?? _rabbitMq.Port), _name, host =>
            {
                host.Username(user);
                host.Password(password);
            });
            configure(context, factory);
        });

    public override void RouteByKey<T>(IBusFactoryConfigurator bus, Func<T, string> key)
    {
        var factory = (IRabbitMqBusFactoryConfigurator)bus;
        factory.Publish<T>(publish =>
        {
            publish.ExchangeType = "direct";
            publish.BindAlternateExchangeQueue("undeliverable", "undeliverable");
        });
        factory.Send<T>(send => send.UseRoutingKeyFormatter(context => key(context.Message)));
    }

    public override void Bind<T>(IReceiveEndpointConfigurator endpoint, string key)
    {
        endpoint.ConfigureConsumeTopology = false;
        ((IRabbitMqReceiveEndpointConfigurator)endpoint).Bind<T>(bind =>
        {
            bind.ExchangeType = "direct";
            bind.RoutingKey = key;
            bind.SetExchangeArgument("alternate-exchange", "undeliverable");
        });
    }

    public override void ConfigureEndpoints(IBusFactoryConfigurator bus, IBusRegistrationContext context) =>
        ((IRabbitMqBusFactoryConfigurator)bus).ConfigureEndpoints(context);

    public override async ValueTask InitializeAsync()
    {
        using var http = Management();
        using (var created = await http.PutAsync($"api/vhosts/{_name}", content: null))
            created.EnsureSuccessStatusCode();
        var everything = new { configure = ".*", write = ".*", read = ".*" };
        using (var permitted = await http.PutAsJsonAsync($"api/permissions/{_name}/{Credentials().User}", everything))
            permitted.EnsureSuccessStatusCode();
        await base.InitializeAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await using (var context = CreateContext())
            await context.Database.EnsureDeletedAsync();
        using var http = Management();
        using var deleted = await http.DeleteAsync($"api/vhosts/{_name}");
        deleted.EnsureSuccessStatusCode();
    }

    private HttpClient Management()
    {
        var (user, password) = Credentials();
        var http = new HttpClient { BaseAddress = _management };
        http.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));
        return http;
    }

    private (string User, string Password) Credentials()
    {
        var parts = _rabbitMq.UserInfo.Split(':');
        return (Uri.UnescapeDataString(parts[0]), Uri.UnescapeDataString(parts[1]));
    }

    private static string Required(string variable) => Environment.GetEnvironmentVariable(variable)
        ?? throw new InvalidOperationException($"{variable} is not set: run infra/servers.sh start, and set what it prints.");
}
