using Governor.Contracts;
using Governor.Director.Credentials;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Assignments;

/// <summary>Why a message is sent; goes into it for people.</summary>
/// <param name="RolloutId">The rollout that dispatches, where there is one.</param>
/// <param name="Item">The configuration or credential concerned, where there is one.</param>
/// <param name="Revision">Its revision or version.</param>
/// <param name="KeepsTargets">Whether targets of other rollouts stay as they are: what is given back is judged by the reports
/// of its own former rollout.</param>
internal sealed record SendCause(
    Guid? RolloutId = null, string? Item = null, int? Revision = null, bool KeepsTargets = false);

/// <summary><i>Assign</i>: the one place that writes assignments, and that sends runtimes what they should hold. Dispatch,
/// join, leave, sweep and healing all go through it.</summary>
/// <remarks>Set-based: its statements are counted per call, never per runtime. Locks are taken in one order everywhere:
/// rollout → waves → targets by (rollout, runtime) → runtimes by id. Whoever needs a lock before the runtimes' takes it
/// before <see cref="LockAsync"/>. Messages go through the outbox of the scope; the caller commits.</remarks>
internal sealed class Assigner(
    DirectorDbContext db, RevisionContents revisions, MessageSealer sealer, IPublishEndpoint bus, TimeProvider clock)
{
    /// <summary>Most runtimes that one transaction assigns to.</summary>
    public const int Chunk = 500;

    private static readonly Dictionary<string, RevisionContent> NoCredentials = [];

    /// <summary>Locks runtimes, in order, and reads what they are assigned. Unknown ids are left out.</summary>
    /// <param name="runtimeIds">Their ids.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <param name="isToChange">Whether they may be assigned something else, which may begin to refer to a credential.</param>
    public async Task<FleetSlice> LockAsync(
        IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken, bool isToChange = true)
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
            .Select(a => new RevisionKey(r.Tenant, a.Item, a.Revision)));
        var contents = await revisions.GetAsync(db, keys.Distinct(), cancellationToken);
        var current = isToChange ? await CurrentVersionsAsync(runtimes.Select(r => r.Tenant).Distinct().ToList(), cancellationToken) : [];

        var now = clock.GetUtcNow();
        var listening = await db.ListeningSinceAsync(now, cancellationToken);
        return new FleetSlice(runtimes.ToDictionary(
            r => r.RuntimeId,
            r => new FleetMember(
                r, assignments[r.RuntimeId].ToDictionary(a => a.Item, StringComparer.Ordinal), contents,
                current.GetValueOrDefault(r.Tenant, NoCredentials), r.IsAway(now, listening)),
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
        // Whoever is assigned a version locks it, sent or not: it is not announced as revocable in between.
        var secrets = await sealer.ReadAsync(members, cancellationToken);
        await WriteAssignmentsAsync(members, sendable, cause, now, cancellationToken);

        var sent = new List<(FleetMember, long)>();
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
                state = state with { Secrets = secrets.For(member, runtime.Generation) };
                await PublishAsync(runtime, state, cause, cancellationToken);
                sent.Add((member, runtime.Generation));
            }

            generations.Add(runtime.RuntimeId, runtime.Generation, runtime.SentGeneration, runtime.SentAt);
        }

        await generations.ExecuteAsync(
            """
            UPDATE runtimes AS r SET generation = x.generation, sent_generation = x.sent_generation, sent_at = x.sent_at
            FROM {rows} WHERE r.runtime_id = x.runtime_id
            """, cancellationToken);
        await sealer.NoteAsync(sent, now, cancellationToken);
    }

    private Task PublishAsync(Runtime runtime, DesiredState state, SendCause cause, CancellationToken cancellationToken)
    {
        var rollout = cause.RolloutId?.ToString();
        return Items.Credential(cause.Item) is { } credential
            ? bus.Publish(
                new CredentialRotated(runtime.RuntimeId, runtime.Generation, state, rollout, credential, cause.Revision), cancellationToken)
            : bus.Publish(
                new ConfigurationUpdated(runtime.RuntimeId, runtime.Generation, state, rollout, cause.Item, cause.Revision), cancellationToken);
    }

    /// <summary>The current version of each credential, by tenant and item.</summary>
    private async Task<Dictionary<string, IReadOnlyDictionary<string, RevisionContent>>> CurrentVersionsAsync(
        List<string> tenants, CancellationToken cancellationToken) =>
        (await db.CredentialVersions.AsNoTracking()
            .Where(v => tenants.Contains(v.Tenant) && v.Stage == VersionStage.Current)
            .Select(v => new { v.Tenant, v.Credential, v.Version, v.VersionId, v.Size }).ToListAsync(cancellationToken))
        .GroupBy(v => v.Tenant, StringComparer.Ordinal)
        .ToDictionary(
            g => g.Key,
            g => (IReadOnlyDictionary<string, RevisionContent>)g
                .Select(v => RevisionContents.OfVersion(v.Tenant, v.Credential, v.Version, v.VersionId, v.Size))
                .ToDictionary(v => v.Item, StringComparer.Ordinal),
            StringComparer.Ordinal);

    /// <summary>Writes a revision that changes nothing in the runtime: no generation, no message.</summary>
    public async Task RenumberAsync(
        IReadOnlyCollection<FleetMember> members, RevisionContent revision, CancellationToken cancellationToken)
    {
        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("item", ColumnType.Text),
            ("revision", ColumnType.Integer), ("digest", ColumnType.Text));
        var targets = TargetRows();
        foreach (var member in members)
        {
            rows.Add(member.Runtime.RuntimeId, revision.Item, revision.Revision, revision.Digest);
            targets.Add(member.Runtime.RuntimeId, revision.Tenant, revision.Item, revision.Revision, revision.Digest,
                member.Assignments[revision.Item].Generation);
        }

        await WriteTargetsAsync(targets, cancellationToken);
        await rows.ExecuteAsync(
            """
            UPDATE assignments AS a SET revision = x.revision, digest = x.digest
            FROM {rows} WHERE a.runtime_id = x.runtime_id AND a.item = x.item
            """, cancellationToken);
    }

    private RowSet TargetRows() => new(db, ("runtime_id", ColumnType.Text), ("tenant", ColumnType.Text),
        ("item", ColumnType.Text), ("revision", ColumnType.Integer), ("digest", ColumnType.Text),
        ("generation", ColumnType.Integer));

    /// <summary>Whoever writes an assignment writes generation and digest into the runtime's target of that revision too: a
    /// report of an earlier generation can no longer decide it, and a later one can, whoever sent it. Callers hold the locks
    /// of these targets; of a credential that a configuration brings with it they do not, and its targets stay.</summary>
    private static Task<int> WriteTargetsAsync(RowSet targets, CancellationToken cancellationToken) => targets.ExecuteAsync(
        $$"""
        UPDATE rollout_targets AS t SET generation = x.generation, digest = x.digest
        FROM {rows}, rollouts AS o
        WHERE o.tenant = x.tenant AND o.item = x.item AND o.revision = x.revision
          AND t.rollout_id = o.rollout_id AND t.runtime_id = x.runtime_id
          AND {{RolloutMapping.StillSpokenOfAsT}}
        """, cancellationToken);

    private async Task WriteAssignmentsAsync(
        IReadOnlyCollection<FleetMember> members, HashSet<FleetMember> sendable, SendCause cause, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var written = new RowSet(db, ("runtime_id", ColumnType.Text), ("item", ColumnType.Text),
            ("revision", ColumnType.Integer), ("digest", ColumnType.Text), ("generation", ColumnType.Integer),
            ("sent_generation", ColumnType.Integer), ("sent_at", ColumnType.Instant), ("last_good_revision", ColumnType.Integer));
        var gone = new RowSet(db, ("runtime_id", ColumnType.Text), ("item", ColumnType.Text));
        var resent = new RowSet(db, ("runtime_id", ColumnType.Text), ("item", ColumnType.Text),
            ("sent_generation", ColumnType.Integer));
        var targets = TargetRows();
        var unused = new HashSet<(string Tenant, string Item)>();
        foreach (var member in members)
        {
            var runtime = member.Runtime;
            var generation = runtime.Generation + 1;
            foreach (var (item, revision) in member.Changes)
            {
                if (revision is null)
                {
                    gone.Add(runtime.RuntimeId, item);
                    if (Items.IsCredential(item))
                        unused.Add((runtime.Tenant, item));
                    else if (item == cause.Item && cause.Revision is { } losing)
                        targets.Add(runtime.RuntimeId, runtime.Tenant, item, losing, null, generation);
                    continue;
                }

                var old = member.Assignments.GetValueOrDefault(item);
                var sent = sendable.Contains(member);
                written.Add(runtime.RuntimeId, item, revision.Revision, revision.Digest, generation,
                    sent ? generation : null, sent ? now : null, old?.Good);
                if (!revision.IsCredential || item == cause.Item)
                    targets.Add(runtime.RuntimeId, runtime.Tenant, item, revision.Revision, revision.Digest, generation);
            }

            foreach (var item in sendable.Contains(member) ? member.SentWithoutChange() : [])
                resent.Add(runtime.RuntimeId, item, generation);
        }

        if (!cause.KeepsTargets)
            await WriteTargetsAsync(targets, cancellationToken);
        await gone.ExecuteAsync(
            "DELETE FROM assignments WHERE (runtime_id, item) IN (SELECT x.runtime_id, x.item FROM {rows})",
            cancellationToken);
        await written.ExecuteAsync(
            """
            INSERT INTO assignments (runtime_id, item, revision, digest, generation, sent_generation, sent_at,
                                     reported, last_good_revision)
            SELECT x.runtime_id, x.item, x.revision, x.digest, x.generation, x.sent_generation, x.sent_at,
                   false, x.last_good_revision
            FROM {rows} WHERE true
            ON CONFLICT (runtime_id, item) DO UPDATE SET
                revision = excluded.revision, digest = excluded.digest, generation = excluded.generation,
                sent_generation = excluded.sent_generation, sent_at = excluded.sent_at, reported = excluded.reported,
                last_good_revision = excluded.last_good_revision
            """, cancellationToken);
        await resent.ExecuteAsync(
            """
            UPDATE assignments AS a SET sent_generation = x.sent_generation, sent_at = @now
            FROM {rows} WHERE a.runtime_id = x.runtime_id AND a.item = x.item
            """, cancellationToken, ("now", now));
        await TellRotationsAsync(unused, cancellationToken);
    }

    /// <summary>A runtime that uses a credential no more is no target of its rotation: the saga sees to that, under its locks.</summary>
    private async Task TellRotationsAsync(HashSet<(string Tenant, string Item)> unused, CancellationToken cancellationToken)
    {
        if (unused.Count == 0)
            return;

        var items = unused.Select(u => u.Item).Distinct().ToList();
        var open = await db.Rollouts.AsNoTracking().Where(r => r.EndedAt == null && items.Contains(r.Item))
            .Select(r => new { r.Tenant, r.Item, r.CorrelationId }).ToListAsync(cancellationToken);
        foreach (var rotation in open.Where(r => unused.Contains((r.Tenant, r.Item))))
            await bus.Publish(new TargetsProgressed(rotation.CorrelationId), cancellationToken);
    }
}
