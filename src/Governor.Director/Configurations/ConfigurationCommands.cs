using Governor.Contracts;
using Governor.Director.Commands;

namespace Governor.Director.Configurations;

/// <summary>The command <see cref="UpdateConfiguration"/>.</summary>
internal sealed class UpdateConfigurationCommand(ConfigurationHandler handler) : ICommand
{
    public static string Queue => "governor-update-configuration";

    public static IReadOnlyList<string> Fields { get; } = ["name", "expectedRevision", .. ConfigurationRequestParser.Fields];

    public Outcome<CommandWork> Read(CommandBody command)
    {
        var change = ConfigurationCommands.ReadChange(command);
        var request = ConfigurationRequestParser.Read(command.Fields);
        if (!request.Succeeded)
            return request.Refusal;

        return new CommandWork(async cancellationToken =>
            ConfigurationCommands.Answer(command, change, await handler.UpdateAsync(change, request.Value, cancellationToken)));
    }
}

/// <summary>The command <see cref="DeleteConfiguration"/>.</summary>
internal sealed class DeleteConfigurationCommand(ConfigurationHandler handler) : ICommand
{
    public static string Queue => "governor-delete-configuration";

    public static IReadOnlyList<string> Fields { get; } = ["name", "expectedRevision", "policy"];

    public Outcome<CommandWork> Read(CommandBody command)
    {
        var change = ConfigurationCommands.ReadChange(command);
        var policy = RolloutPolicyReader.Read(command.Fields["policy"]);
        if (command.Errors.Any)
            return command.Errors.ToRefusal();

        return new CommandWork(async cancellationToken =>
            ConfigurationCommands.Answer(command, change, await handler.DeleteAsync(change, policy, cancellationToken)));
    }
}

/// <summary>What the two have in common.</summary>
internal static class ConfigurationCommands
{
    /// <summary>Reads what is to be changed; after a complaint it is of no use.</summary>
    public static ChangeRequest ReadChange(CommandBody command)
    {
        var name = command.Fields.Required("name", "name the configuration")?.AsString();
        if (name is not null && !DnsLabel.IsValid(name))
            command.Errors.Malformed("invalid-name", "name", $"must be {DnsLabel.Rule}.");
        var expected = command.Fields["expectedRevision"]?.AsInteger(0, int.MaxValue);
        return new ChangeRequest(command.Tenant, name ?? "", command.RequestedBy, expected);
    }

    public static Outcome<CommandAccepted> Answer(CommandBody command, ChangeRequest change, Outcome<AcceptedChange> outcome) =>
        outcome.Succeeded
            ? new CommandAccepted(command.CommandId!, Configuration: change.Name, Revision: outcome.Value.Revision,
                RolloutId: outcome.Value.RolloutId?.ToString())
            : outcome.Refusal;
}
