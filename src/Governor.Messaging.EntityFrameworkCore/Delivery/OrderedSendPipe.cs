using System.Net.Mime;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>The place in an outbox that goes to the channel next.</summary>
internal sealed class OutboxTurn
{
    private const int Closed = int.MinValue;

    private int _next;

    /// <summary>The outbox is done with for now: whatever the transport still holds must not leave later.</summary>
    public void Close() => Volatile.Write(ref _next, Closed);

    public bool IsClosed => Volatile.Read(ref _next) == Closed;

    /// <exception cref="OutboxInterruptedException">Another message should have gone before, or this one has gone already.</exception>
    public void Take(int place)
    {
        if (Interlocked.CompareExchange(ref _next, place + 1, place) != place)
            throw new OutboxInterruptedException($"Message {place} of the outbox was about to be sent in place of message {_next}.");
    }
}

/// <summary>Sends one stored message of an outbox whose messages are under way together, in order.</summary>
/// <remarks>
/// Messages that are started one after the other reach an open channel in that order. But when the connection breaks, the
/// transport repeats what was not confirmed, and goes on with what waited for the new channel, in any order. Such a message
/// is refused at the last moment, when its body is asked for; then the outbox is sent again from the first message that was
/// not confirmed. Only a message that has no successor under way may be repeated by the transport.
/// </remarks>
internal sealed class OrderedSendPipe : IPipe<SendContext>
{
    private readonly int _place;
    private readonly OutboxTurn _turn;
    private readonly ArraySegment<Task> _earlier;
    private readonly bool _mayRepeat;
    private bool _sent;

    public OrderedSendPipe(OutboxMessage message, int place, OutboxTurn turn, ArraySegment<Task> earlier, bool mayRepeat, TimeProvider clock)
    {
        (_place, _turn, _earlier, _mayRepeat) = (place, turn, earlier, mayRepeat);
        Message = new StoredMessage(message, clock);
    }

    /// <summary>The message, as MassTransit reads it.</summary>
    public StoredMessage Message { get; }

    public async Task Send(SendContext context)
    {
        if (_sent && _mayRepeat)
            await Task.WhenAll(_earlier.AsEnumerable());
        Message.ApplyTo(context);
        context.Serializer = new TakingTurns(this);
    }

    /// <summary>Leaves the place to the next message without sending.</summary>
    public void Skip() => _turn.Take(_place);

    public void Probe(ProbeContext context) => context.CreateFilterScope("outboxMessage");

    private void TakeTurn()
    {
        if (_sent && _mayRepeat && !_turn.IsClosed)
            return;
        _turn.Take(_place);
        _sent = true;
    }

    /// <summary>Gives the body when the transport is about to send: the last that is heard of a message before the channel has it.</summary>
    /// <remarks>The body was serialized when the message was captured, and is complete: it is not read again.</remarks>
    private sealed class TakingTurns(OrderedSendPipe pipe) : IMessageSerializer
    {
        public ContentType ContentType { get; } = new(pipe.Message.ContentType);

        public MessageBody GetMessageBody<T>(SendContext<T> context) where T : class
        {
            pipe.TakeTurn();
            return new StringMessageBody(pipe.Message.Body);
        }
    }
}

/// <summary>A message of an outbox would have overtaken another.</summary>
internal sealed class OutboxInterruptedException(string message) : Exception(message);
