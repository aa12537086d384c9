namespace Governor.Messaging;

/// <summary>The broker has queues of these runtimes with other arguments than ours, and arguments cannot be changed.</summary>
public sealed class RuntimeProvisioningException : Exception
{
    private const int Named = 10;

    /// <summary>Names the runtimes and the remedy.</summary>
    /// <param name="refused">What the broker said, by runtime id.</param>
    public RuntimeProvisioningException(IReadOnlyDictionary<string, string> refused)
        : base(Describe(refused)) => Refused = refused;

    /// <summary>What the broker said, by runtime id.</summary>
    public IReadOnlyDictionary<string, string> Refused { get; }

    private static string Describe(IReadOnlyDictionary<string, string> refused)
    {
        var queues = string.Join(", ", refused.Keys.Order(StringComparer.Ordinal).Take(Named).Select(RuntimeQueue.NameOf));
        var more = refused.Count > Named ? $" and {refused.Count - Named} more" : "";
        return $"The broker refuses {queues}{more}: \"{refused.Values.First()}\" Delete these queues (their messages are sent again) "
            + "or set RabbitMq__QueueType as it was when they were made.";
    }
}
