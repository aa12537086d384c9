using Governor.Contracts;
using Governor.Director.Commands;
using Governor.Director.Persistence;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Rollouts;

/// <summary>The command <see cref="AbortRollout"/>.</summary>
internal sealed class AbortRolloutCommand(DirectorDbContext db, RolloutActionHandler handler) : ICommand
{
    public static string Queue => "governor-abort-rollout";

    public static IReadOnlyList<string> Fields => RolloutCommands.Fields;

    public Outcome<CommandWork> Read(CommandBody command) => RolloutCommands.Read(command, RolloutActions.Abort, db, handler);
}

/// <summary>The command <see cref="RollBackRollout"/>.</summary>
internal sealed class RollBackRolloutCommand(DirectorDbContext db, RolloutActionHandler handler) : ICommand
{
    public static string Queue => "governor-roll-back-rollout";

    public static IReadOnlyList<string> Fields => RolloutCommands.Fields;

    public Outcome<CommandWork> Read(CommandBody command) => RolloutCommands.Read(command, RolloutActions.RollBack, db, handler);
}

/// <summary>What commands for a rollout have in common: they ask for an action by the rows that the HTTP interface uses, and are
/// accepted once it is written. Whether the saga does it stands in the row.</summary>
internal static class RolloutCommands
{
    public static IReadOnlyList<string> Fields { get; } = ["rolloutId"];

    public static Outcome<CommandWork> Read(
        CommandBody command, string action, DirectorDbContext db, RolloutActionHandler handler)
    {
        var text = command.Fields.Required("rolloutId", "name the rollout")?.AsText();
        if (command.Errors.Any)
            return command.Errors.ToRefusal();

        return new CommandWork(async cancellationToken =>
        {
            if (!Guid.TryParse(text, out var id)
                || await FindAsync(db, command.Tenant, id, cancellationToken) is not { } rollout)
            {
                return NotFound();
            }

            if (rollout.EndedAt is not null)
            {
                return new Refusal(StatusCodes.Status409Conflict, "action-not-possible",
                    $"The rollout has ended as {rollout.CurrentState}; {action} is not possible any more.");
            }

            return await handler.RequestAsync(id, action, command.RequestedBy, cancellationToken) is { } row
                ? new CommandAccepted(command.CommandId!, RolloutId: id.ToString(), ActionId: row.ActionId.ToString())
                : NotFound();
        });
    }

    private static Task<Rollout?> FindAsync(DirectorDbContext db, string tenant, Guid id, CancellationToken cancellationToken) =>
        db.Rollouts.AsNoTracking().SingleOrDefaultAsync(r => r.CorrelationId == id && r.Tenant == tenant, cancellationToken);

    private static Refusal NotFound() => new(StatusCodes.Status404NotFound, "rollout-not-found",
        "There is no rollout with this id in this tenant. GET /admin/rollouts lists them.");
}
