using System.Text.Json;
using System.Text.RegularExpressions;
using Governor.IntegrationTests.Fleet;

namespace Governor.IntegrationTests.Credentials;

/// <summary>What a sidecar would find in a runtime's resources folder: component, its secret store, that store's file.</summary>
internal static partial class SecretsOnDisk
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>What the component's reference to a credential resolves to; null if it refers to nothing.</summary>
    public static string? Secret(this AgentFolder folder, string credential)
    {
        if (!File.Exists(folder.ComponentPath) || Store().Match(File.ReadAllText(folder.ComponentPath)) is not { Success: true } match)
            return null;

        var store = File.ReadAllText(Path.Combine(folder.Resources, $"{match.Groups["store"].Value}.yaml"));
        Assert.Contains("secretstores.local.file", store, StringComparison.Ordinal);
        var file = SecretsFile().Match(store).Groups["path"].Value;
        Assert.Equal(folder.Resources, Path.GetDirectoryName(file));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(OwnerOnly, File.GetUnixFileMode(file));
        return JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(File.ReadAllText(file))![credential][CredentialApi.Entry];
    }

    /// <summary>Waits until the component's reference resolves to a secret.</summary>
    public static Task WaitForSecretAsync(this AgentFolder folder, string credential, string secret) => Eventually.TrueAsync(
        () => folder.Secret(credential) == secret, RunningDirector.Patience, $"{folder.RuntimeId} holds the secret of {credential}");

    /// <summary>The files with secrets, whoever refers to them.</summary>
    public static IReadOnlyList<string> SecretFiles(this AgentFolder folder) => Directory.GetFiles(folder.Resources, ".governor-secrets-*");

    [GeneratedRegex(@"^auth:\n  secretStore: ""(?<store>[^""]+)""$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Store();

    [GeneratedRegex(@"name: ""secretsFile""\n\s+value: ""(?<path>[^""]+)""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex SecretsFile();
}
