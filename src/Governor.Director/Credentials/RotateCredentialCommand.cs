using System.Text.Json;
using Governor.Contracts;
using Governor.Director.Commands;
using Governor.Director.Configurations;
using Governor.Messaging.Sealing;

namespace Governor.Director.Credentials;

/// <summary>The command <see cref="RotateCredential"/>: its entries are sealed to the Director's key, to this one command.</summary>
internal sealed class RotateCredentialCommand(CredentialHandler handler, SealingKeys keys, TimeProvider clock) : ICommand
{
    private static readonly TimeSpan LongestValidity = TimeSpan.FromHours(1);

    /// <summary>What clocks may differ by.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(1);

    public static string Queue => "governor-rotate-credential";

    /// <summary>With <c>entries</c>, which nobody should send: they are refused for what they are.</summary>
    public static IReadOnlyList<string> Fields { get; } = ["name", "sealedEntries", "policy", "expiresAt", "entries"];

    public Outcome<CommandWork> Read(CommandBody command)
    {
        if (command.Fields["entries"] is not null)
        {
            return new Refusal(StatusCodes.Status422UnprocessableEntity, "plaintext-secret",
                "Secrets in clear are not taken from the bus; this message is discarded, and whoever reads the bus may have seen them: make new ones, and seal them to the key of GET /api/v1/sealing-key as `sealedEntries`.");
        }

        var name = command.Fields.Required("name", "name the credential")?.AsString();
        if (name is not null && !DnsLabel.IsValid(name))
            command.Errors.Malformed("invalid-name", "name", $"must be {DnsLabel.Rule}.");
        var sealedEntries = command.Fields.Required("sealedEntries",
            "seal the entries, as compact JWE with ECDH-ES and A256GCM, to the key of GET /api/v1/sealing-key")?.AsText();
        var policy = RolloutPolicyReader.Read(command.Fields["policy"], ofRotation: true);
        var expiresAt = RotationRequestParser.ReadExpiry(command.Fields["expiresAt"], clock.GetUtcNow());
        if (command.Errors.Any)
            return command.Errors.ToRefusal();

        return new CommandWork(async cancellationToken =>
        {
            var key = await keys.GetAsync(cancellationToken);
            var entries = Open(sealedEntries!, key, $"{command.Tenant}/{name}/{command.CommandId}");
            if (!entries.Succeeded)
                return entries.Refusal;

            var outcome = await handler.RotateAsync(
                command.Tenant, name!, command.RequestedBy, new RotationRequest(entries.Value, policy, expiresAt), cancellationToken);
            return outcome.Succeeded
                ? new CommandAccepted(command.CommandId!, RolloutId: outcome.Value.RolloutId.ToString(), Credential: name, Version: outcome.Value.Version)
                : outcome.Refusal;
        });
    }

    private Outcome<Dictionary<string, string>> Open(string sealedEntries, SealingKeyPair key, string subject)
    {
        if (SealedBox.Header(sealedEntries) is not { } header)
            return Refused("sealed-broken", "is no compact JWE with ECDH-ES and A256GCM.");
        if (Text(header, "kid") != key.PublicKey.Kid)
            return Refused("sealed-for-another-key", $"is sealed to another key than the Director's, whose kid is {key.PublicKey.Kid}; get it by GET /api/v1/sealing-key.");
        if (SealedBox.Open(sealedEntries, key) is not { } opened)
            return Refused("sealed-broken", "cannot be opened: it was changed, or was not sealed to the key that its header names.");
        if (Text(opened.Header, "sub") != subject)
            return Refused("sealed-for-another", $"is sealed for another command: its `sub` must be <tenant>/<name>/<commandId>, here {subject}.");

        var now = clock.GetUtcNow();
        if (!opened.Header.TryGetProperty("exp", out var exp) || !exp.TryGetInt64(out var seconds)
            || seconds > (now + LongestValidity + ClockSkew).ToUnixTimeSeconds())
        {
            return Refused("sealed-expiry-invalid", "must have `exp` in its header, the Unix time in seconds at which it ends, at most an hour ahead.");
        }

        return seconds <= now.ToUnixTimeSeconds()
            ? Refused("sealed-expired", "has expired; seal the entries again.")
            : RotationRequestParser.ParseEntries(opened.Plaintext);
    }

    private static string? Text(JsonElement header, string name) =>
        header.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() : null;

    private static Refusal Refused(string code, string message) => new(
        StatusCodes.Status422UnprocessableEntity, code, $"sealedEntries {message}", [new FieldError("sealedEntries", message)]);
}
