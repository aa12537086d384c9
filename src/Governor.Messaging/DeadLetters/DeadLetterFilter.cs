using System.Collections;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Runtime.Serialization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Governor.Contracts;
using MassTransit;

namespace Governor.Messaging;

/// <summary>Publishes what an endpoint gave up on as <see cref="DeadLettered"/>, before the message is acknowledged. Stands
/// in the error pipe (faults) and in the dead-letter pipe (nobody consumed it); an unreadable message passes both. In the
/// consume pipe it only notes what was read.</summary>
internal sealed class DeadLetterFilter(string queue, TimeProvider clock)
    : IFilter<ConsumeContext>, IFilter<ExceptionReceiveContext>, IFilter<ReceiveContext>
{
    // A publish that the broker refuses is tried again for ever; given up, the message goes back to its queue instead.
    private static readonly TimeSpan PublishTimeout = TimeSpan.FromSeconds(30);

    // Base64 makes a third more of it, and brokers take 16 MiB unless told otherwise: a dead letter that the broker refuses
    // would bring its message back to the queue for ever.
    private const int LargestBody = 11 * 1024 * 1024;
    private const int LongestReason = 4000;

    public Task Send(ConsumeContext context, IPipe<ConsumeContext> next)
    {
        if (context.HasMessageType(typeof(DeadLettered)))
            context.ReceiveContext.GetOrAddPayload(() => new ReadAsDeadLetter());
        return next.Send(context);
    }

    public async Task Send(ExceptionReceiveContext context, IPipe<ExceptionReceiveContext> next)
    {
        // A dead letter that cannot be stored must not breed another one about itself: back to the queue with it.
        if (context.TryGetPayload<ReadAsDeadLetter>(out _))
            ExceptionDispatchInfo.Throw(context.Exception);

        await HandOverAsync(context, context.Exception);
        await next.Send(context);
    }

    public async Task Send(ReceiveContext context, IPipe<ReceiveContext> next)
    {
        await HandOverAsync(context, fault: null);
        await next.Send(context);
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("governor-dead-letter");

    private async Task HandOverAsync(ReceiveContext context, Exception? fault)
    {
        if (context.TryGetPayload<HandedOver>(out _))
            return;

        var deadLetter = Describe(context, fault);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        timeout.CancelAfter(PublishTimeout);
        var exchange = await context.PublishEndpointProvider.GetPublishSendEndpoint<DeadLettered>();
        await exchange.Send(deadLetter, timeout.Token);
        context.GetOrAddPayload(() => new HandedOver());
    }

    private DeadLettered Describe(ReceiveContext context, Exception? fault)
    {
        // A consumer sees its own exception; MassTransit wraps what it could not read.
        var cause = fault is { InnerException: { } inner } and SerializationException ? inner : fault;
        var mayHoldSecret = Topology.SecretQueues.Contains(queue);
        var body = context.GetBody();
        var reason = cause switch
        {
            null => "No consumer of this queue takes messages of this type.",
            _ when mayHoldSecret => "The message could not be handled; its text is withheld because it may hold a secret.",
            _ => cause.Message.Length > LongestReason ? cause.Message[..LongestReason] : cause.Message,
        };
        if (body.Length > LargestBody)
            reason += $" The body of {body.Length} bytes is not kept, for it is over {LargestBody}.";
        var messageId = MessageIdOf(context);
        return new DeadLettered(
            DeadLetterIdOf(messageId, mayHoldSecret && messageId is not null ? [] : body),
            queue,
            reason,
            cause?.GetType().FullName,
            messageId,
            context.ContentType?.ToString(),
            HeadersOf(context),
            mayHoldSecret || body.Length > LargestBody ? null : Convert.ToBase64String(body),
            clock.GetUtcNow());
    }

    // Plain publishers send any text as the id, or none.
    private static string? MessageIdOf(ReceiveContext context) =>
        context.TransportHeaders.TryGetHeader(MessageHeaders.MessageId, out var id) && TextOf(id) is { Length: > 0 } text
            ? text
            : context.GetMessageId()?.ToString();

    // The same message given up twice (the acknowledgement was lost, or it was put back by hand) is one dead letter. What it
    // says counts too: plain publishers give any id, and some give the same one again and again.
    private string DeadLetterIdOf(string? messageId, byte[] body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{queue}\n{messageId}"));
        hash.AppendData(body);
        return new Guid(hash.GetHashAndReset().AsSpan(0, 16)).ToString();
    }

    private static Dictionary<string, string> HeadersOf(ReceiveContext context)
    {
        var headers = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in context.TransportHeaders.GetAll())
            headers[name] = TextOf(value);

        // Whoever asked for an answer still wants it when the message is put back.
        if (context.TryGetPayload<RabbitMqBasicConsumeContext>(out var rabbit))
        {
            if (rabbit.Properties.ReplyTo is { Length: > 0 } replyTo)
                headers[RawMessage.ReplyToHeader] = replyTo;
            if (rabbit.Properties.Type is { Length: > 0 } type)
                headers[RawMessage.TypeHeader] = type;
        }

        return headers;
    }

    private static string TextOf(object? value) => value switch
    {
        null => "",
        byte[] bytes => Encoding.UTF8.GetString(bytes),
        string text => text,
        IDictionary or IList => JsonSerializer.Serialize(Plain(value)),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    // Tables and lists of AMQP hold their texts as bytes.
    private static object? Plain(object? value) => value switch
    {
        IDictionary table => table.Keys.Cast<object>().ToDictionary(key => TextOf(key), key => Plain(table[key]), StringComparer.Ordinal),
        IList list and not byte[] => list.Cast<object?>().Select(Plain).ToList(),
        _ => TextOf(value),
    };

    private sealed class HandedOver;

    private sealed class ReadAsDeadLetter;
}
