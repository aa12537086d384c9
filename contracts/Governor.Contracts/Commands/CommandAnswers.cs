using MassTransit;

namespace Governor.Contracts;

/// <summary>A command was carried out: what it asked for is committed, and what follows from it is on its way.</summary>
/// <remarks>Sent to the response address, or as plain JSON to the AMQP <c>reply_to</c> with the command's
/// <c>correlation_id</c> and <c>type</c> <c>CommandAccepted</c>; again for a repeated command.</remarks>
/// <param name="CommandId">The command.</param>
/// <param name="RuntimeId">The runtime that was registered or deregistered.</param>
/// <param name="Configuration">The configuration that was changed or deleted.</param>
/// <param name="Revision">Its revision that holds what was asked for.</param>
/// <param name="RolloutId">The rollout that brings the revision to the runtimes, absent if there was nothing to change; or the
/// rollout that an action was asked of.</param>
/// <param name="ActionId">The action asked of a rollout, which answers at
/// <c>/admin/rollouts/{rolloutId}/actions/{actionId}</c>.</param>
/// <param name="Credential">The credential that was rotated.</param>
/// <param name="Version">Its new version.</param>
[EntityName("governor.command-accepted")]
[MessageUrn("governor:command-accepted")]
public sealed record CommandAccepted(
    string CommandId,
    string? RuntimeId = null,
    string? Configuration = null,
    int? Revision = null,
    string? RolloutId = null,
    string? ActionId = null,
    string? Credential = null,
    int? Version = null);

/// <summary>A command was not carried out, and changed nothing.</summary>
/// <remarks>Sent as <see cref="CommandAccepted"/> is, with <c>type</c> <c>CommandRejected</c>.</remarks>
/// <param name="CommandId">The command; absent if its id could not be read.</param>
/// <param name="Code">Stable, machine-readable reason, as in the HTTP interface's problem details.</param>
/// <param name="Detail">One sentence for a person that says what to change.</param>
/// <param name="Errors">What is wrong field by field; absent when no field is to blame.</param>
[EntityName("governor.command-rejected")]
[MessageUrn("governor:command-rejected")]
public sealed record CommandRejected(
    string? CommandId,
    string Code,
    string Detail,
    IReadOnlyList<CommandError>? Errors = null);

/// <summary>What is wrong with one field of a command.</summary>
/// <param name="Field">JSON path of the field, for example <c>components[0].type</c>.</param>
/// <param name="Message">What the field must be.</param>
public sealed record CommandError(string Field, string Message);
