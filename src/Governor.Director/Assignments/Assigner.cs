using Governor.Contracts;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Assignments;

/// <summary>Why a message is sent; goes into it for people.</summary>
/// <param name="RolloutId">The rollout that dispatches, where there is one.</param>
/// <param name="Configuration">The configuration concerned, where there is one.</param>
/// <param name="Revision">Its revision.</param>
/// <param name="KeepsTargets">Whether targets of other rollouts stay as they are: what is given back is judged by the reports
/// of its own former rollout.</param>
internal sealed record SendCause(
    Guid? RolloutId = null, string? Configuration = null, int? Revision = null, bool KeepsTargets = false);

/// <summary><i>Assign</i>: the one place that writes assignments, and that sends runtimes what they should hold. Dispatch,
/// join, leave, sweep and healing all go through it.</summary>
/// <remarks>Set-based: its statements are counted per call, never per runtime. Locks are taken in one order everywhere:
/// rollout → waves → targets by (rollout, runtime) → runtimes by id. Whoever needs a lock before the runtimes' takes it
/// before <see cref="LockAsync"/>. Messages go through the outbox of the scope; the caller commits.</remarks>
internal sealed class Assigner(
    DirectorDbContext db, RevisionContents revisions, IPublishEndpoint bus, TimeProvider clock)
{
    /// <summary>Most runtimes that one transaction assigns to.</summary>
    public const int Chunk = 500;

    /// <summary>Locks runtimes, in order, and reads what they are assigned. Unknown ids are left out.</summary>
    public async Task<FleetSlice> LockAsync(IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken)
    {
        if (runtimeIds.Count == 0)
            return new FleetSlice(new Dictionary<string, FleetMember>());

        var runtimes = await db.Runtimes
            .FromSqlRaw(
                $"SELECT * FROM runtimes WHERE {db.In("runtime_id", "ids")} ORDER BY runtime_id{db.ForUpdate()}",
                db.List("ids", runtimeIds))
            .AsNoTracking().ToListAsync(cancellationToken);
        var assignments = (await db.Assignments.AsNoTracking()
                .Where(a => runtimeIds.Contains(a.RuntimeId)).ToListAsync(cancellationToken))
            .ToLookup(a => a.RuntimeId, StringComparer.Ordinal);
        var keys = runtimes.SelectMany(r => assignments[r.RuntimeId]
            .Select(a => new RevisionKey(r.Tenant, a.Configuration, a.Revision)));
        var contents = await revisions.GetAsync(db, keys.Distinct(), cancellationToken);

        var now = clock.GetUtcNow();
        var listening = await db.ListeningSinceAsync(now, cancellationToken);
        return new FleetSlice(runtimes.ToDictionary(
            r => r.RuntimeId,
            r => new FleetMember(
                r, assignments[r.RuntimeId].ToDictionary(a => a.Configuration, StringComparer.Ordinal), contents,
                r.IsAway(now, listening)),
            StringComparer.Ordinal));
    }

    /// <summary>Writes the changes of the members given, raises their generations, and adds one message for each that can
    /// be sent to and fits; the others get it from <i>Deliver</i>. Members without a change are sent the whole again.</summary>
    public async Task SendAsync(
        IReadOnlyCollection<FleetMember> members, SendCause cause, CancellationToken cancellationToken)
    {
        if (members.Count == 0)
            return;

        var now = clock.GetUtcNow();
        var budget = new SendBudget();
        var sendable = members.Where(m => m.WhyNotSent is null && budget.Takes(m)).ToHashSet();
        await WriteAssignmentsAsync(members, sendable, cause, now, cancellationToken);

        var desired = new Dictionary<string, DesiredState>(StringComparer.Ordinal);
        var generations = new RowSet(db, ("runtime_id", ColumnType.Text), ("generation", ColumnType.Integer),
            ("sent_generation", ColumnType.Integer), ("sent_at", ColumnType.Instant));
        foreach (var member in members)
        {
            var runtime = member.Runtime;
            runtime.Generation++;
            if (sendable.Contains(member))
            {
                (runtime.SentGeneration, runtime.SentAt) = (runtime.Generation, now);
                var fingerprint = member.Fingerprint();
                if (!desired.TryGetValue(fingerprint, out var state))
                    desired[fingerprint] = state = member.Desired();
                await bus.Publish(
                    new ConfigurationUpdated(runtime.RuntimeId, runtime.Generation, state,
                        cause.RolloutId?.ToString(), cause.Configuration, cause.Revision),
                    cancellationToken);
            }

            generations.Add(runtime.RuntimeId, runtime.Generation, runtime.SentGeneration, runtime.SentAt);
        }

        await generations.ExecuteAsync(
            """
            UPDATE runtimes AS r SET generation = x.generation, sent_generation = x.sent_generation, sent_at = x.sent_at
            FROM {rows} WHERE r.runtime_id = x.runtime_id
            """, cancellationToken);
    }

    /// <summary>Writes a revision that changes nothing in the runtime: no generation, no message.</summary>
    public async Task RenumberAsync(
        IReadOnlyCollection<FleetMember> members, RevisionContent revision, CancellationToken cancellationToken)
    {
        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("configuration", ColumnType.Text),
            ("revision", ColumnType.Integer), ("digest", ColumnType.Text));
        var targets = TargetRows();
        foreach (var member in members)
        {
            rows.Add(member.Runtime.RuntimeId, revision.Configuration, revision.Revision, revision.Digest);
            targets.Add(member.Runtime.RuntimeId, revision.Tenant, revision.Configuration, revision.Revision, revision.Digest,
                member.Assignments[revision.Configuration].Generation);
        }

        await WriteTargetsAsync(targets, cancellationToken);
        await rows.ExecuteAsync(
            """
            UPDATE assignments AS a SET revision = x.revision, digest = x.digest
            FROM {rows} WHERE a.runtime_id = x.runtime_id AND a.configuration = x.configuration
            """, cancellationToken);
    }

    private RowSet TargetRows() => new(db, ("runtime_id", ColumnType.Text), ("tenant", ColumnType.Text),
        ("configuration", ColumnType.Text), ("revision", ColumnType.Integer), ("digest", ColumnType.Text),
        ("generation", ColumnType.Integer));

    /// <summary>Whoever writes an assignment writes generation and digest into the runtime's target of that revision too: a
    /// report of an earlier generation can no longer decide it, and a later one can, whoever sent it. Callers hold the locks
    /// of these targets.</summary>
    private static Task<int> WriteTargetsAsync(RowSet targets, CancellationToken cancellationToken) => targets.ExecuteAsync(
        $$"""
        UPDATE rollout_targets AS t SET generation = x.generation, digest = x.digest
        FROM {rows}, rollouts AS o
        WHERE o.tenant = x.tenant AND o.configuration = x.configuration AND o.revision = x.revision
          AND t.rollout_id = o.rollout_id AND t.runtime_id = x.runtime_id
          AND {{RolloutMapping.StillSpokenOfAsT}}
        """, cancellationToken);

    private async Task WriteAssignmentsAsync(
        IReadOnlyCollection<FleetMember> members, HashSet<FleetMember> sendable, SendCause cause, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var written = new RowSet(db, ("runtime_id", ColumnType.Text), ("configuration", ColumnType.Text),
            ("revision", ColumnType.Integer), ("digest", ColumnType.Text), ("generation", ColumnType.Integer),
            ("sent_generation", ColumnType.Integer), ("sent_at", ColumnType.Instant), ("last_good_revision", ColumnType.Integer));
        var gone = new RowSet(db, ("runtime_id", ColumnType.Text), ("configuration", ColumnType.Text));
        var resent = new RowSet(db, ("runtime_id", ColumnType.Text), ("configuration", ColumnType.Text),
            ("sent_generation", ColumnType.Integer));
        var targets = TargetRows();
        foreach (var member in members)
        {
            var runtime = member.Runtime;
            var generation = runtime.Generation + 1;
            foreach (var (configuration, revision) in member.Changes)
            {
                if (revision is null)
                {
                    gone.Add(runtime.RuntimeId, configuration);
                    if (configuration == cause.Configuration && cause.Revision is { } losing)
                        targets.Add(runtime.RuntimeId, runtime.Tenant, configuration, losing, null, generation);
                    continue;
                }

                var old = member.Assignments.GetValueOrDefault(configuration);
                var sent = sendable.Contains(member);
                written.Add(runtime.RuntimeId, configuration, revision.Revision, revision.Digest, generation,
                    sent ? generation : null, sent ? now : null, old?.Good);
                targets.Add(runtime.RuntimeId, runtime.Tenant, configuration, revision.Revision, revision.Digest, generation);
            }

            foreach (var configuration in sendable.Contains(member) ? member.SentWithoutChange() : [])
                resent.Add(runtime.RuntimeId, configuration, generation);
        }

        if (!cause.KeepsTargets)
            await WriteTargetsAsync(targets, cancellationToken);
        await gone.ExecuteAsync(
            "DELETE FROM assignments WHERE (runtime_id, configuration) IN (SELECT x.runtime_id, x.configuration FROM {rows})",
            cancellationToken);
        await written.ExecuteAsync(
            """
            INSERT INTO assignments (runtime_id, configuration, revision, digest, generation, sent_generation, sent_at,
                                     reported, last_good_revision)
            SELECT x.runtime_id, x.configuration, x.revision, x.digest, x.generation, x.sent_generation, x.sent_at,
                   false, x.last_good_revision
            FROM {rows} WHERE true
            ON CONFLICT (runtime_id, configuration) DO UPDATE SET
                revision = excluded.revision, digest = excluded.digest, generation = excluded.generation,
                sent_generation = excluded.sent_generation, sent_at = excluded.sent_at, reported = excluded.reported,
                last_good_revision = excluded.last_good_revision
            """, cancellationToken);
        await resent.ExecuteAsync(
            """
            UPDATE assignments AS a SET sent_generation = x.sent_generation, sent_at = @now
            FROM {rows} WHERE a.runtime_id = x.runtime_id AND a.configuration = x.configuration
            """, cancellationToken, ("now", now));
    }
}
