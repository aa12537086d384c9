namespace Governor.Agent;

/// <summary>An Agent cannot start with what it was given. Each error is one line that names the key, the rule and the
/// remedy; nobody needs a stack trace.</summary>
public sealed class AgentSettingsException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="errors">The errors, one line each.</param>
    public AgentSettingsException(IReadOnlyList<string> errors)
        : base(string.Join(Environment.NewLine, errors)) => Errors = errors;

    /// <summary>The errors, one line each.</summary>
    public IReadOnlyList<string> Errors { get; }
}
