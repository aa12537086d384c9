using Governor.Contracts;
using Governor.Messaging.Sealing;

namespace Governor.Agent.Runtime;

/// <summary>The edge to one kind of runtime: makes it equal to a desired state, and tells what it shows.</summary>
/// <remarks>Called by one loop at a time. The last generation handled and the outcomes are marks in the runtime itself,
/// so that another Agent of the same runtime goes on from there.</remarks>
internal interface IRuntimeApplier
{
    /// <summary>Generation of the message last handled in this runtime, by whichever Agent; 0 when unknown.</summary>
    long HandledGeneration { get; }

    /// <summary>Makes the runtime equal to the desired state. Each configuration ends with an outcome of its own, which
    /// <see cref="Observe"/> tells; what a runtime refuses or fails to do is an outcome, not an exception.</summary>
    /// <param name="generation">Generation of the message.</param>
    /// <param name="desired">What it wants.</param>
    /// <param name="secrets">The entries of every credential version that <paramref name="desired"/> lists, in clear.</param>
    /// <param name="cancellationToken">Ends the work between two steps.</param>
    Task ApplyAsync(long generation, DesiredState desired, IReadOnlyList<CredentialSecrets> secrets, CancellationToken cancellationToken);

    /// <summary>Looks at what the runtime shows now.</summary>
    RuntimeObservation Observe();

    /// <summary>Calls back, from any thread, soon after something changed in the runtime; the Agent's own changes included.</summary>
    /// <returns>Ends the watch when disposed.</returns>
    IAsyncDisposable Watch(Action changed);
}

/// <summary>What a runtime shows.</summary>
/// <param name="Generation">Generation of the message last handled in it; 0 when unknown.</param>
/// <param name="Configurations">Its configurations, ordered by name.</param>
/// <param name="Credentials">The credential versions that it holds, ordered by name.</param>
internal sealed record RuntimeObservation(
    long Generation, IReadOnlyList<ReportedConfiguration> Configurations, IReadOnlyList<ReportedCredential> Credentials);
