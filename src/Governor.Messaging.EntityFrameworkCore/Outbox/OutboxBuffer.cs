namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Messages captured and not yet written, in the order in which they were published. Safe for concurrent use.</summary>
internal sealed class OutboxBuffer
{
    private readonly Lock _lock = new();
    private List<OutboxMessage> _messages = [];
    private bool _closed;

    public bool IsEmpty
    {
        get
        {
            lock (_lock)
                return _messages.Count == 0;
        }
    }

    public int Count
    {
        get
        {
            lock (_lock)
                return _messages.Count;
        }
    }

    /// <summary>Forgets all but the first messages.</summary>
    public void Truncate(int count)
    {
        lock (_lock)
            _messages.RemoveRange(count, _messages.Count - count);
    }

    /// <exception cref="InvalidOperationException">The transaction that would have written the message is over.</exception>
    public void Add(OutboxMessage message)
    {
        lock (_lock)
        {
            if (_closed)
                throw new InvalidOperationException("The message came after the consumer had finished, too late for its transaction; "
                    + "await every Publish, Send and RespondAsync inside the consumer.");
            _messages.Add(message);
        }
    }

    /// <summary>Empties the buffer.</summary>
    /// <param name="close">Whether later messages are refused.</param>
    public List<OutboxMessage> Take(bool close = false)
    {
        lock (_lock)
        {
            _closed |= close;
            var taken = _messages;
            _messages = [];
            return taken;
        }
    }

    /// <summary>Puts messages back in front, because their transaction was rolled back and may be tried again.</summary>
    public void PutBack(List<OutboxMessage> messages)
    {
        lock (_lock)
            _messages.InsertRange(0, messages);
    }
}
