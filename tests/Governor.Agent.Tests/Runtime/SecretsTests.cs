using Governor.Agent.Runtime;
using Governor.Contracts;
using Governor.Messaging.Sealing;

namespace Governor.Agent.Tests.Runtime;

/// <summary>Which messages with credentials are applied, and which are not.</summary>
public sealed class SecretsTests : AgentScenario
{
    private static readonly CredentialSecrets Orders = Desired.Secret("orders", "v2", ("token", "t0p-s3cret"));
    private static readonly CredentialSecrets Logs = Desired.Secret("logs", "v7", ("key", "t0p-s3cret"));

    [Fact]
    public async Task Given_sealed_secrets_When_they_open_Then_they_are_applied_with_their_message_and_reported()
    {
        await HandleAsync(6, Sealed(6, Orders), Orders);

        Assert.Equal([6], Applier.Applied);
        Assert.Equal("t0p-s3cret", Assert.Single(Applier.Secrets).Entries["token"]);
        Assert.Equal([new ReportedCredential("orders", "v2")], LastReport.Credentials);
        Assert.Equal((Key.PublicKey.Kid, null), (LastReport.Kid, LastReport.UnopenedGeneration));
    }

    [Fact]
    public async Task Given_more_secrets_than_listed_When_opened_Then_only_the_listed_ones_are_applied()
    {
        await HandleAsync(6, Sealed(6, Logs, Orders), Orders);
        Assert.Equal("orders", Assert.Single(Applier.Secrets).Name);
    }

    public static TheoryData<string?> Unopenable => new(
        null,
        "garbage",
        Sealed(5, Orders),
        RuntimeSecrets.Seal([Orders], "eu-2", 6, Key.PublicKey),
        RuntimeSecrets.Seal([Orders], "eu-1", 6, SealingKeyPair.Create().PublicKey),
        Sealed(6),
        Sealed(6, Logs),
        Sealed(6, Orders with { VersionId = "v1" }));

    [Theory]
    [MemberData(nameof(Unopenable), DisableDiscoveryEnumeration = true)]
    public async Task Given_secrets_that_are_not_all_there_When_they_come_Then_nothing_is_applied_and_the_report_says_so_until_the_next(string? secrets)
    {
        await HandleAsync(5, secrets: null);
        await HandleAsync(6, secrets, Orders);
        Assert.Equal([5], Applier.Applied);
        Assert.Equal((5L, 6L), (LastReport.Generation, LastReport.UnopenedGeneration));

        await HandleAsync(7, Sealed(7, Orders), Orders);
        Assert.Equal([5, 7], Applier.Applied);
        Assert.Null(LastReport.UnopenedGeneration);
    }

    [Fact]
    public async Task Given_secrets_for_another_key_When_they_come_again_Then_both_keys_were_logged_once_and_no_secret()
    {
        var other = SealingKeyPair.Create().PublicKey;
        var secrets = RuntimeSecrets.Seal([Orders], "eu-1", 6, other);
        await HandleAsync(6, secrets, Orders);
        await HandleAsync(6, secrets, Orders);

        var (_, text) = Assert.Single(Log.Lines, line => line.Id.Id == 2013);
        Assert.Contains(other.Kid, text, StringComparison.Ordinal);
        Assert.Contains(Key.PublicKey.Kid, text, StringComparison.Ordinal);
        Assert.DoesNotContain(Log.Lines, line => line.Text.Contains("t0p-s3cret", StringComparison.Ordinal));
        Assert.Equal(2, Outbound.Reports.Count);
    }

    [Fact]
    public async Task Given_an_empty_list_of_secrets_When_it_is_for_another_key_Then_nothing_is_applied_either()
    {
        await HandleAsync(6, RuntimeSecrets.Seal([], "eu-1", 6, SealingKeyPair.Create().PublicKey));
        Assert.Empty(Applier.Applied);
    }

    private static string Sealed(long generation, params CredentialSecrets[] secrets) => RuntimeSecrets.Seal(secrets, "eu-1", generation, Key.PublicKey);

    private Task HandleAsync(long generation, string? secrets, params CredentialSecrets[] listed) => Agent.Handler.HandleAsync(
        [AgentMessage.From(new CredentialRotated("eu-1", generation, Desired.State(listed, Desired.Configuration("logging")) with { Secrets = secrets }))],
        CancellationToken.None);
}
