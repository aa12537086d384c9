using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Governor.Contracts;
using Governor.Messaging.Sealing;

namespace Governor.Agent.Tests.DaprFolder.Secrets;

/// <summary>A resources folder with credentials.</summary>
public abstract class SecretScenario : FolderScenario
{
    private protected const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private protected static CredentialSecrets Orders(string version, string token = "t0p-s3cret") => Desired.Secret("orders", version, ("token", token + version));

    private protected static CredentialSecrets Logs(string version) => Desired.Secret("logs", version, ("key", "log-s3cret" + version), ("user", "governor"));

    private protected static DesiredConfiguration Shop(string value = "one") => Desired.Configuration("shop", Desired.Referring("sink", value, "orders/token"));

    private protected string[] SecretFiles =>
        [.. Directory.EnumerateFiles(Resources, ".governor-secrets-*").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private protected string[] StoreFiles => [.. ComponentFiles.Where(name => name.StartsWith("governor-secrets-", StringComparison.Ordinal))];

    private protected string MacsPath => Path.Combine(State, "secret-macs.json");

    /// <summary>The credentials reported, each as <c>name@versionId</c>.</summary>
    private protected string[] Held => [.. Applier.Observe().Credentials.Select(credential => $"{credential.Name}@{credential.VersionId}")];

    private protected static string Id(params string[] versions) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', versions))))[..16];

    private protected static string SecretFile(params string[] versions) => $".governor-secrets-{Id(versions)}.json";

    private protected static string StoreFile(params string[] versions) => $"governor-secrets-{Id(versions)}.yaml";

    /// <summary>What a component refers to, through its store, resolves to.</summary>
    private protected string? Resolve(string component, string credential, string entry)
    {
        var lines = Text(component + ".yaml").Split('\n');
        var store = lines[Array.IndexOf(lines, "auth:") + 1].Split('"')[1];
        return JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(Text($".{store}.json"))?[credential].GetValueOrDefault(entry);
    }

    private protected void AssertFailed(DesiredConfiguration configuration, string reason, string named)
    {
        var reported = Reported(configuration.Name);
        Assert.Equal((ApplyOutcome.Failed, configuration.Digest, reason), (reported.Outcome, reported.OutcomeDigest, reported.Reason));
        Assert.Contains(named, reported.Message, StringComparison.Ordinal);
    }

    /// <summary>Sets a file's time back, so that whoever writes it gives it another.</summary>
    private protected void Age(params string[] names)
    {
        foreach (var name in names)
            File.SetLastWriteTimeUtc(PathOf(name), DateTime.UnixEpoch);
    }

    private protected bool IsAged(string name) => File.GetLastWriteTimeUtc(PathOf(name)) == DateTime.UnixEpoch;
}
