using Governor.Contracts;
using Governor.Director.Commands;

namespace Governor.Director.Runtimes;

/// <summary>The command <see cref="RegisterRuntime"/>.</summary>
internal sealed class RegisterRuntimeCommand(FleetRegistry registry) : ICommand
{
    public static string Queue => "governor-register-runtime";

    public static IReadOnlyList<string> Fields { get; } = ["runtimeId", "kind", "labels"];

    public Outcome<CommandWork> Read(CommandBody command)
    {
        var registration = RegistrationParser.Read(command.Fields);
        if (!registration.Succeeded)
            return registration.Refusal;

        return new CommandWork(async cancellationToken =>
        {
            var outcome = await registry.RegisterAsync(command.Tenant, [registration.Value], null, cancellationToken);
            return outcome.Succeeded
                ? new CommandAccepted(command.CommandId!, RuntimeId: registration.Value.RuntimeId)
                : outcome.Refusal;
        });
    }
}

/// <summary>The command <see cref="DeregisterRuntime"/>.</summary>
internal sealed class DeregisterRuntimeCommand(Deregistration deregistration) : ICommand
{
    public static string Queue => "governor-deregister-runtime";

    public static IReadOnlyList<string> Fields { get; } = ["runtimeId", "force"];

    public Outcome<CommandWork> Read(CommandBody command)
    {
        var runtimeId = RegistrationParser.ReadId(command.Fields);
        var force = command.Fields["force"]?.AsFlag() ?? false;
        if (command.Errors.Any)
            return command.Errors.ToRefusal();

        return new CommandWork(async cancellationToken =>
            await deregistration.BeginAsync(command.Tenant, runtimeId!, force, null, cancellationToken) is { } refusal
                ? refusal
                : new CommandAccepted(command.CommandId!, RuntimeId: runtimeId));
    }
}
