namespace Governor.Messaging;

/// <summary>Kind of the queues on RabbitMQ.</summary>
internal enum QueueType
{
    /// <summary>A classic durable queue.</summary>
    Classic = 0,

    /// <summary>A quorum queue, for clusters.</summary>
    Quorum = 1,
}

internal static class QueueTypeArgument
{
    private const string Name = "x-queue-type";

    // Classic is left unstated: that is the broker's default, and stating it later would be a difference.
    public static void AddTo(this QueueType type, IDictionary<string, object?> arguments) => type.AddTo(arguments.Add);

    public static void AddTo(this QueueType type, Action<string, object> setArgument)
    {
        if (type == QueueType.Quorum)
            setArgument(Name, "quorum");
    }
}
