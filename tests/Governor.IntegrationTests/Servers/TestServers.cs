using Npgsql;

namespace Governor.IntegrationTests;

/// <summary>The RabbitMQ and PostgreSQL that all tests share; each test owns a <see cref="Sandbox"/> on them.</summary>
internal static class TestServers
{
    /// <summary>The broker, with a user that may administrate it.</summary>
    public static BrokerAddress Broker => new(
        new Uri(Read("GOVERNOR_TEST_RABBITMQ")), new Uri(Read("GOVERNOR_TEST_RABBITMQ_MANAGEMENT")));

    /// <summary>The database server, with a user that may create databases and read every statement's statistics.</summary>
    public static NpgsqlConnectionStringBuilder Postgres => new(Read("GOVERNOR_TEST_POSTGRES"));

    private static string Read(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value
            ? value
            : throw new InvalidOperationException(
                $"""
                This test needs RabbitMQ and PostgreSQL, and {name} is not set. Either run all tests by infra/test.sh, or:
                  infra/servers.sh start
                  eval "$(infra/servers.sh env)"
                """);
}

/// <summary>How to reach a broker: by AMQP, with user and password, and by its management API with the same.</summary>
internal sealed record BrokerAddress(Uri Amqp, Uri Management)
{
    /// <summary>The AMQP address of one of its virtual hosts.</summary>
    public string AmqpOf(string virtualHost) =>
        new UriBuilder(Amqp) { Path = Uri.EscapeDataString(virtualHost) }.Uri.AbsoluteUri;
}
