using Governor.Director.Credentials;

namespace Governor.Director.Configurations;

/// <summary>A request to give a configuration new content, checked and in normal form.</summary>
/// <param name="Content">The content of the revision asked for.</param>
/// <param name="AllowEmpty">Whether a selector that matches no runtime is meant so.</param>
/// <param name="Policy">How to roll it out.</param>
/// <param name="References">The entries of credentials to which its components refer, and where.</param>
internal sealed record ConfigurationRequest(
    ConfigurationContent Content, bool AllowEmpty, RolloutPolicy Policy, IReadOnlyCollection<CredentialReference> References);
