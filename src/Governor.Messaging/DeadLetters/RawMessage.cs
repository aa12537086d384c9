namespace Governor.Messaging;

/// <summary>A message as it stands in a queue, for one that goes back there.</summary>
/// <param name="Body">The body, byte for byte.</param>
/// <param name="ContentType">Content type, where it had one.</param>
/// <param name="MessageId">Id of the message, where it had one.</param>
/// <param name="Headers">Transport headers as a dead letter states them; what the broker or a client adds by itself is left
/// out when it is sent.</param>
public sealed record RawMessage(
    ReadOnlyMemory<byte> Body, string? ContentType, string? MessageId, IReadOnlyDictionary<string, string> Headers)
{
    internal const string ReplyToHeader = "RabbitMQ-ReplyTo";
    internal const string TypeHeader = "RabbitMQ-Type";
}
