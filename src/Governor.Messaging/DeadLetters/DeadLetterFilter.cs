using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Runtime.Serialization;
using System.Security.Cryptography;
using System.Text;
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
        var messageId = context.GetMessageId()?.ToString();
        var mayHoldSecret = Topology.SecretQueues.Contains(queue);
        var reason = cause switch
        {
            null => "No consumer of this queue takes messages of this type.",
            _ when mayHoldSecret => "The message could not be handled; its text is withheld because it may hold a secret.",
            _ => cause.Message,
        };
        return new DeadLettered(
            DeadLetterIdOf(messageId),
            queue,
            reason,
            cause?.GetType().FullName,
            messageId,
            context.ContentType?.ToString(),
            context.TransportHeaders.GetAll().ToDictionary(header => header.Key, header => TextOf(header.Value), StringComparer.Ordinal),
            mayHoldSecret ? null : Convert.ToBase64String(context.GetBody()),
            clock.GetUtcNow());
    }

    // The same message given up twice (the acknowledgement was lost) is one dead letter.
    private string DeadLetterIdOf(string? messageId) => messageId is null
        ? Guid.NewGuid().ToString()
        : new Guid(SHA256.HashData(Encoding.UTF8.GetBytes($"{queue}\n{messageId}")).AsSpan(0, 16)).ToString();

    private static string TextOf(object? value) => value switch
    {
        null => "",
        byte[] bytes => Encoding.UTF8.GetString(bytes),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private sealed class HandedOver;

    private sealed class ReadAsDeadLetter;
}
