namespace Governor.Director.Assignments;

/// <summary>What a rollout brings and a runtime is assigned: a configuration, under its name, or a credential, under its name
/// behind a prefix that no name of a configuration can have. So both go through the same tables and the same saga.</summary>
internal static class Items
{
    /// <summary>Begins every item that is a credential.</summary>
    public const string CredentialPrefix = "credential/";

    /// <summary>Longest item.</summary>
    public const int MaxLength = 63 + 11;

    /// <summary>The item of a credential.</summary>
    public static string OfCredential(string name) => CredentialPrefix + name;

    /// <summary>Whether an item is a credential.</summary>
    public static bool IsCredential(string item) => item.StartsWith(CredentialPrefix, StringComparison.Ordinal);

    /// <summary>Name of the credential that an item is; null if it is a configuration.</summary>
    public static string? Credential(string? item) =>
        item is null ? null : IsCredential(item) ? item[CredentialPrefix.Length..] : null;

    /// <summary>Name of the configuration that an item is; null if it is a credential.</summary>
    public static string? Configuration(string? item) => item is null || IsCredential(item) ? null : item;
}
