using System.Diagnostics;
using System.Text;
using Npgsql;
using RabbitMQ.Client;

namespace Governor.Benchmarks;

/// <summary>What the servers and MassTransit can do without the library: the same bodies, connections and durability.</summary>
internal static class Baselines
{
    /// <summary>Unconfirmed messages at any time, as many as the library allows itself.</summary>
    private const int Window = 256;

    public static double Rate(int count, TimeSpan elapsed) => count / elapsed.TotalSeconds;

    /// <summary>RabbitMQ.Client: one channel, persistent messages into a durable queue, confirms pipelined.</summary>
    public static async Task<double> RawPublishAsync(Servers servers, int count, CancellationToken cancellationToken)
    {
        var factory = new ConnectionFactory
        {
            HostName = servers.Host, Port = servers.Port, VirtualHost = servers.Name, UserName = servers.User, Password = servers.Password,
        };
        await using var connection = await factory.CreateConnectionAsync(cancellationToken);
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(
            publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true, outstandingPublisherConfirmationsRateLimiter: null),
            cancellationToken);
        await channel.ExchangeDeclareAsync("sink", ExchangeType.Fanout, durable: true, cancellationToken: cancellationToken);
        await channel.QueueDeclareAsync("sink", durable: true, exclusive: false, autoDelete: false, cancellationToken: cancellationToken);
        await channel.QueueBindAsync("sink", "sink", "", cancellationToken: cancellationToken);
        await channel.QueuePurgeAsync("sink", cancellationToken);
        var body = Encoding.UTF8.GetBytes(Payload.Body);
        var properties = new BasicProperties { Persistent = true };
        return await PipelinedAsync(count, () => channel.BasicPublishAsync("sink", "", mandatory: false, properties, body, cancellationToken).AsTask());
    }

    /// <summary>MassTransit's Send, not awaited one by one.</summary>
    public static async Task<double> SendAsync(BenchmarkHost host, Uri address, int count, CancellationToken cancellationToken)
    {
        var endpoint = await host.Bus.GetSendEndpoint(address);
        return await PipelinedAsync(count, () => endpoint.Send(new Payload(Guid.NewGuid(), Payload.Body), cancellationToken));
    }

    /// <summary>MassTransit's Send, one after the other.</summary>
    public static async Task<double> SendAwaitedAsync(BenchmarkHost host, Uri address, int count, CancellationToken cancellationToken)
    {
        var endpoint = await host.Bus.GetSendEndpoint(address);
        var started = Stopwatch.StartNew();
        for (var i = 0; i < count; i++)
            await endpoint.Send(new Payload(Guid.NewGuid(), Payload.Body), cancellationToken);
        return Rate(count, started.Elapsed);
    }

    /// <summary>Transactions of one prepared INSERT of one body, on so many connections.</summary>
    public static Task<double> InsertAsync(Servers servers, int connections, int count, CancellationToken cancellationToken) =>
        OnConnectionsAsync(servers, connections, count, async (connection, share) =>
        {
            await using var insert = new NpgsqlCommand("INSERT INTO raw_insert (id, body) VALUES ($1, $2)", connection);
            var id = new NpgsqlParameter<Guid>();
            insert.Parameters.Add(id);
            insert.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Payload.Body });
            await insert.PrepareAsync(cancellationToken);
            for (var i = 0; i < share; i++)
            {
                id.TypedValue = Guid.CreateVersion7();
                await insert.ExecuteNonQueryAsync(cancellationToken);
            }
        }, cancellationToken);

    /// <summary>BEGIN, SELECT … FOR UPDATE, UPDATE, COMMIT, on so many connections.</summary>
    public static Task<double> LockAsync(Servers servers, int connections, int count, IReadOnlyList<Guid> ids, CancellationToken cancellationToken) =>
        OnConnectionsAsync(servers, connections, count, async (connection, share) =>
        {
            await using var select = new NpgsqlCommand(
                "SELECT \"CorrelationId\", \"CurrentState\", \"Count\", \"Text\" FROM \"Counter\" WHERE \"CorrelationId\" = $1 FOR UPDATE", connection);
            await using var update = new NpgsqlCommand("UPDATE \"Counter\" SET \"Count\" = $1 WHERE \"CorrelationId\" = $2", connection);
            var selected = new NpgsqlParameter<Guid>();
            var updated = new NpgsqlParameter<Guid>();
            var counted = new NpgsqlParameter<int>();
            select.Parameters.Add(selected);
            update.Parameters.Add(counted);
            update.Parameters.Add(updated);
            await select.PrepareAsync(cancellationToken);
            await update.PrepareAsync(cancellationToken);
            for (var i = 0; i < share; i++)
            {
                await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
                selected.TypedValue = updated.TypedValue = ids[Random.Shared.Next(ids.Count)];
                await using (var reader = await select.ExecuteReaderAsync(cancellationToken))
                {
                    await reader.ReadAsync(cancellationToken);
                    counted.TypedValue = reader.GetInt32(2) + 1;
                }

                await update.ExecuteNonQueryAsync(cancellationToken);
                await transaction.CommitAsync(cancellationToken);
            }
        }, cancellationToken);

    private static async Task<double> OnConnectionsAsync(Servers servers, int connections, int count,
        Func<NpgsqlConnection, int, Task> work, CancellationToken cancellationToken)
    {
        var open = new List<NpgsqlConnection>();
        try
        {
            for (var i = 0; i < connections; i++)
            {
                open.Add(new NpgsqlConnection(servers.ConnectionString));
                await open[i].OpenAsync(cancellationToken);
            }

            await using (var create = new NpgsqlCommand("CREATE TABLE IF NOT EXISTS raw_insert (id uuid PRIMARY KEY, body text NOT NULL)", open[0]))
                await create.ExecuteNonQueryAsync(cancellationToken);
            var started = Stopwatch.StartNew();
            await Task.WhenAll(open.Select(connection => Task.Run(() => work(connection, count / connections), cancellationToken)));
            return Rate(count, started.Elapsed);
        }
        finally
        {
            foreach (var connection in open)
                await connection.DisposeAsync();
        }
    }

    private static async Task<double> PipelinedAsync(int count, Func<Task> send)
    {
        using var window = new SemaphoreSlim(Window, Window);
        var sends = new Task[count];
        var started = Stopwatch.StartNew();
        for (var i = 0; i < count; i++)
        {
            await window.WaitAsync();
            sends[i] = SendOneAsync();
        }

        await Task.WhenAll(sends);
        return Rate(count, started.Elapsed);

        async Task SendOneAsync()
        {
            try
            {
                await send();
            }
            finally
            {
                window.Release();
            }
        }
    }
}
