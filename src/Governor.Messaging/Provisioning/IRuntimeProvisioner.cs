namespace Governor.Messaging;

/// <summary>Makes and removes what belongs to a runtime on the broker. Repeatable: what is there already stays, and what is
/// missing of it is made.</summary>
public interface IRuntimeProvisioner
{
    /// <summary>Declares the runtimes' queues and binds them to the exchanges from the Director to Agents. Done when it
    /// returns; costs two round trips or so for any number of runtimes.</summary>
    /// <param name="runtimeIds">Ids of the runtimes.</param>
    /// <param name="cancellationToken">Stops it half-way; repeating it goes on.</param>
    /// <exception cref="RuntimeProvisioningException">Some queues exist with other arguments; all others were made.</exception>
    Task ProvisionAsync(IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken);

    /// <summary>Deletes a runtime's queue, with what waits in it, and the exchange of its Agent's endpoint.</summary>
    /// <param name="runtimeId">Id of the runtime.</param>
    /// <param name="cancellationToken">Stops it half-way; repeating it goes on.</param>
    Task DeprovisionAsync(string runtimeId, CancellationToken cancellationToken);

    /// <summary>Whether the broker still has the mark of <see cref="MarkAsync"/>. Without it the broker was wiped, or is a new
    /// one: no runtime has its queue there.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<bool> IsMarkedAsync(CancellationToken cancellationToken);

    /// <summary>Marks the broker as one whose runtimes are provisioned, or whose provisioning nothing can lose any more.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task MarkAsync(CancellationToken cancellationToken);
}
