using System.Text.Json;
using MassTransit;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Governor.Messaging;

/// <summary>Answers those who know nothing of MassTransit: plain JSON to the AMQP <c>reply_to</c> of their message, with its
/// <c>correlation_id</c>.</summary>
/// <remarks>Over a channel beside the bus's: the bus would declare an exchange and a queue by the name that it sends to, and the
/// default exchange, which is where a reply belongs, has no address there.</remarks>
public sealed class PlainAnswers : IAsyncDisposable
{
    private static readonly CreateChannelOptions Confirmed = new(
        publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);

    private readonly SideConnection? _side;
    private readonly SemaphoreSlim _sending = new(1);
    private IChannel? _channel;

    /// <param name="side">The way to the broker; null in memory, where nobody has a <c>reply_to</c>.</param>
    internal PlainAnswers(SideConnection? side) => _side = side;

    /// <summary>Sends an answer; does nothing for a message without <c>reply_to</c>, or from the in-memory transport. An answer
    /// whose queue is gone is dropped by the broker.</summary>
    /// <param name="context">What is answered.</param>
    /// <param name="answer">The answer; the name of its type becomes the AMQP <c>type</c>.</param>
    /// <param name="cancellationToken">Ends the wait for the broker.</param>
    /// <returns>Once the broker has taken it.</returns>
    public async Task SendAsync<T>(ConsumeContext context, T answer, CancellationToken cancellationToken)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(context);
        if (_side is null
            || !context.ReceiveContext.TryGetPayload<RabbitMqBasicConsumeContext>(out var message)
            || message.Properties.ReplyTo is not { Length: > 0 } replyTo)
        {
            return;
        }

        var properties = new BasicProperties { ContentType = "application/json", Type = typeof(T).Name };
        if (message.Properties.CorrelationId is { } correlationId)
            properties.CorrelationId = correlationId;
        await SendAsync(replyTo, properties, JsonSerializer.SerializeToUtf8Bytes(answer, MessageJson.Plain), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_channel is not null)
            await _channel.DisposeAsync();
        _sending.Dispose();
    }

    private async Task SendAsync(string replyTo, BasicProperties properties, byte[] body, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            try
            {
                await PublishAsync();
            }
            catch (OperationInterruptedException)
            {
                await PublishAsync(); // the connection was lost, and is made again; an answer may come twice
            }
        }
        finally
        {
            _sending.Release();
        }

        async Task PublishAsync()
        {
            var channel = await OpenAsync(cancellationToken);
            await channel.BasicPublishAsync(exchange: "", replyTo, mandatory: false, properties, body, cancellationToken);
        }
    }

    private async Task<IChannel> OpenAsync(CancellationToken cancellationToken)
    {
        if (_channel is { IsOpen: true })
            return _channel;

        if (_channel is not null)
            await _channel.DisposeAsync();
        _channel = null;
        var connection = await _side!.OpenAsync(cancellationToken);
        return _channel = await connection.CreateChannelAsync(Confirmed, cancellationToken);
    }
}
