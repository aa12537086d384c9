using System.Text;
using System.Text.Json;
using Governor.IntegrationTests.Fleet;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Governor.IntegrationTests.Credentials;

/// <summary>Sends commands as any AMQP client does, and keeps the answers.</summary>
internal sealed class AmqpClient : IAsyncDisposable
{
    /// <summary>What its messages carry, so that a scan can tell them from others'.</summary>
    public const string AppId = "governor-test";

    private const string Rotate = "governor-rotate-credential";

    private readonly IConnection connection;
    private readonly IChannel channel;
    private readonly string queue;
    private readonly Lock gate = new();
    private readonly Dictionary<string, (string Type, string Body)> answers = new(StringComparer.Ordinal);

    private AmqpClient(IConnection connection, IChannel channel, string queue) =>
        (this.connection, this.channel, this.queue) = (connection, channel, queue);

    public static async Task<AmqpClient> StartAsync(Sandbox sandbox)
    {
        var link = await new ConnectionFactory { Uri = new Uri(sandbox.RabbitMq) }.CreateConnectionAsync(CancellationToken.None);
        var opened = await link.CreateChannelAsync(
            new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), CancellationToken.None);
        var client = new AmqpClient(link, opened, (await opened.QueueDeclareAsync(cancellationToken: CancellationToken.None)).QueueName);
        var consumer = new AsyncEventingBasicConsumer(opened);
        consumer.ReceivedAsync += (_, answer) =>
        {
            lock (client.gate)
                client.answers[answer.BasicProperties.CorrelationId!] = (answer.BasicProperties.Type!, Encoding.UTF8.GetString(answer.Body.Span));
            return Task.CompletedTask;
        };
        await opened.BasicConsumeAsync(client.queue, autoAck: true, consumer, CancellationToken.None);
        return client;
    }

    /// <summary>Publishes a message to the commands that rotate credentials, and returns its id.</summary>
    public async Task<string> PublishAsync(string body, string? contentType)
    {
        var id = Guid.NewGuid().ToString();
        var properties = new BasicProperties { AppId = AppId, MessageId = id, CorrelationId = id, ReplyTo = queue, Persistent = true };
        if (contentType is not null)
            properties.ContentType = contentType;
        await channel.BasicPublishAsync(Rotate, routingKey: "", mandatory: true, properties, Encoding.UTF8.GetBytes(body), CancellationToken.None);
        return id;
    }

    /// <summary>Publishes a command, and waits for its answer.</summary>
    public async Task<(string Type, string Body)> AskAsync(string body, string contentType = "application/json")
    {
        var id = await PublishAsync(body, contentType);
        (string Type, string Body) answer = default;
        await Eventually.TrueAsync(
            () =>
            {
                lock (gate)
                    return answers.TryGetValue(id, out answer);
            },
            RunningDirector.Patience, "the command is answered");
        return answer;
    }

    /// <summary>The code of a refusal.</summary>
    public static string CodeOf((string Type, string Body) answer)
    {
        Assert.Equal("CommandRejected", answer.Type);
        return DirectorApi.Text(JsonSerializer.Deserialize<JsonElement>(answer.Body), "code");
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
