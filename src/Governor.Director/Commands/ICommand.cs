using Governor.Contracts;

namespace Governor.Director.Commands;

/// <summary>What a command does, once it is read. Takes part in the open transaction.</summary>
internal delegate Task<Outcome<CommandAccepted>> CommandWork(CancellationToken cancellationToken);

/// <summary>A kind of command: reads what came, and hands it to the handler that serves the HTTP interface too.</summary>
internal interface ICommand
{
    /// <summary>Name of its queue, which is that of its exchange too.</summary>
    static abstract string Queue { get; }

    /// <summary>Its fields beside those that every command has.</summary>
    static abstract IReadOnlyList<string> Fields { get; }

    /// <summary>Reads the command; does nothing yet.</summary>
    /// <returns>What is to be done, or all that is wrong, what was found before included.</returns>
    Outcome<CommandWork> Read(CommandBody command);
}
