namespace Governor.Messaging;

/// <summary>Puts messages back into the queue that they were taken from.</summary>
public interface IQueueReturn
{
    /// <summary>Sends a message to a queue. Once it returns true, the broker has it.</summary>
    /// <param name="queue">Name of the queue; it is never made.</param>
    /// <param name="message">The message.</param>
    /// <param name="cancellationToken">Ends the wait; whether the message was sent is then unknown.</param>
    /// <returns>Whether there is such a queue.</returns>
    /// <exception cref="BrokerUnavailableException">The broker cannot be reached, does not answer in time, or refuses the
    /// message.</exception>
    Task<bool> TrySendAsync(string queue, RawMessage message, CancellationToken cancellationToken);
}

/// <summary>The broker cannot be reached, or did not do what it was asked for.</summary>
public sealed class BrokerUnavailableException : Exception
{
    /// <summary>Says what went wrong.</summary>
    /// <param name="message">In a sentence, without an address.</param>
    /// <param name="inner">What the client said.</param>
    public BrokerUnavailableException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
