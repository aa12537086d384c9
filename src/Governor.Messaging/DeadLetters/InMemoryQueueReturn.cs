using System.Net.Mime;
using MassTransit;
using MassTransit.Serialization;

namespace Governor.Messaging;

/// <summary>In memory a queue is there as long as the process has its endpoint.</summary>
internal sealed class InMemoryQueueReturn(IBusControl bus) : IQueueReturn
{
    public async Task<bool> TrySendAsync(string queue, RawMessage message, CancellationToken cancellationToken)
    {
        var endpoints = bus.CheckHealth().Endpoints.Values;
        if (!endpoints.Any(endpoint => endpoint.InputAddress.AbsolutePath.EndsWith($"/{queue}", StringComparison.Ordinal)))
            return false;

        var endpoint = await bus.GetSendEndpoint(new Uri($"queue:{queue}"));
        await endpoint.Send(new Anything(), context =>
        {
            context.Serializer = new CopyBodySerializer(
                ContentTypeOf(message), new BytesMessageBody(message.Body.ToArray()));
            if (Guid.TryParse(message.MessageId, out var id))
                context.MessageId = id;
            foreach (var (name, value) in message.Headers.Where(header => header.Key != MessageHeaders.MessageId))
                context.Headers.Set(name, value);
        }, cancellationToken);
        return true;
    }

    private static ContentType ContentTypeOf(RawMessage message)
    {
        try
        {
            return new ContentType(message.ContentType ?? MediaTypeNames.Application.Json);
        }
        catch (FormatException)
        {
            return new ContentType(MediaTypeNames.Application.Octet);
        }
    }

    /// <summary>Stands for the message: what is sent is its body as it was.</summary>
    internal sealed record Anything;
}
