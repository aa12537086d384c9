using System.Text.Json;
using Governor.Director.Configurations;
using Governor.Director.Operations;

namespace Governor.Director.Commands;

/// <summary>A command as it came: what every one carries, and its other fields still unread.</summary>
/// <param name="CommandId">Its id; null if it has none that is valid, and then <paramref name="Errors"/> says so.</param>
/// <param name="RequestedBy">Who asks.</param>
/// <param name="Tenant">The tenant that it is for.</param>
/// <param name="Fields">All of its fields.</param>
/// <param name="Errors">What is wrong so far; whoever reads further adds to it.</param>
internal sealed record CommandBody(string? CommandId, string RequestedBy, string Tenant, RequestObject Fields, RequestErrors Errors)
{
    private const int LongestRequester = 256;

    private static readonly string[] Common = ["commandId", "requestedBy", "tenant"];

    /// <summary>Reads what every command carries.</summary>
    /// <param name="root">The command.</param>
    /// <param name="known">Its other fields.</param>
    public static Outcome<CommandBody> Read(JsonElement root, IEnumerable<string> known)
    {
        var errors = new RequestErrors();
        if (new RequestNode(root, "$", errors).AsObject([.. Common, .. known]) is not { } fields)
            return errors.ToRefusal();

        return new CommandBody(ReadId(fields), ReadRequester(fields) ?? "", ReadTenant(fields), fields, errors);
    }

    private static string? ReadId(RequestObject fields)
    {
        if (fields.Required("commandId", "give the command an id of its own, for example a UUID")?.AsString() is not { } id) return null;
        if (CommandIdentity.IsValid(id)) return id;
        fields.Node.Errors.Malformed("invalid-command-id", "commandId", $"{CommandIdentity.Rule}.");
        return null;
    }

    private static string? ReadRequester(RequestObject fields)
    {
        if (fields.Required("requestedBy", "say who asks")?.AsText() is not { } name) return null;
        if (name.Length <= LongestRequester && !name.Any(char.IsControl)) return name;
        fields["requestedBy"]!.Invalid($"must be 1 to {LongestRequester} characters, none of them a control character.");
        return null;
    }

    private static string ReadTenant(RequestObject fields)
    {
        if (fields["tenant"] is not { } node) return RequestFacts.DefaultTenant;
        if (node.AsString() is { } tenant && !DnsLabel.IsValid(tenant))
            node.Errors.Malformed("invalid-name", "tenant", $"must be {DnsLabel.Rule}.");
        else if (node.Element.ValueKind is JsonValueKind.String)
            return node.AsString() ?? RequestFacts.DefaultTenant;
        return RequestFacts.DefaultTenant;
    }
}
