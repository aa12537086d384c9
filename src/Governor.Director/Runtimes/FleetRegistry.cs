using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Governor.Director.Runtimes;

/// <summary>A runtime as a client wants it registered.</summary>
internal sealed record RuntimeRegistration(string RuntimeId, string Kind, IReadOnlyDictionary<string, string> Labels);

/// <summary>What became of a registration.</summary>
/// <param name="Runtime">The runtime as it is now.</param>
/// <param name="Created">Whether it is new.</param>
internal sealed record RegisteredRuntime(Runtime Runtime, bool Created);

/// <summary>What became of the registrations of one request, in its order.</summary>
internal sealed record RegisteredRuntimes(IReadOnlyList<RegisteredRuntime> Items);

/// <summary>Registers and relabels runtimes, and lets them join and leave configurations in the same transaction.</summary>
internal sealed class FleetRegistry(
    DirectorDbContext db, Assigner assigner, Joiner joiner, IPublishEndpoint bus, TimeProvider clock)
{
    /// <summary>Most runtimes that one request registers.</summary>
    public const int MaxBatch = 1000;

    /// <summary>Registers the runtimes that are new and relabels the others. All or none. Commits.</summary>
    /// <param name="tenant">Owner of the runtimes.</param>
    /// <param name="registrations">The runtimes, each once.</param>
    /// <param name="expectedVersion">Version that a single existing runtime must have, if the client insists.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public async Task<Outcome<RegisteredRuntimes>> RegisterAsync(
        string tenant, IReadOnlyList<RuntimeRegistration> registrations, int? expectedVersion, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var ids = registrations.Select(r => r.RuntimeId).ToList();
        if (expectedVersion is null && await UnchangedAsync(tenant, registrations, cancellationToken) is { } unchanged)
            return unchanged;

        await using var transaction = await db.JoinTransactionAsync(cancellationToken);

        var created = await InsertAsync(tenant, registrations, now, cancellationToken);
        var plan = await joiner.PrepareAsync(tenant, registrations, cancellationToken);
        var fleet = await assigner.LockAsync(ids, cancellationToken);
        foreach (var registration in registrations)
        {
            if (Check(tenant, registration, fleet.Find(registration.RuntimeId), expectedVersion, created) is { } refusal)
                return refusal;
        }

        var relabelled = registrations
            .Where(r => !created.Contains(r.RuntimeId)
                && !SameLabels(fleet.Find(r.RuntimeId)!.Runtime.Labels, r.Labels)).ToList();
        if (await joiner.JoinAsync(plan, fleet, created, relabelled, cancellationToken) is { } tooMuch)
            return tooMuch;
        await RelabelAsync(fleet, relabelled, cancellationToken);
        await AnnounceAsync(tenant, registrations.Where(r => created.Contains(r.RuntimeId)).ToList(), now, cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);

        var rows = await db.Runtimes.AsNoTracking().Where(r => ids.Contains(r.RuntimeId))
            .ToDictionaryAsync(r => r.RuntimeId, StringComparer.Ordinal, cancellationToken);
        return new RegisteredRuntimes(
        [
            .. registrations.Where(r => rows.ContainsKey(r.RuntimeId))
                .Select(r => new RegisteredRuntime(rows[r.RuntimeId], created.Contains(r.RuntimeId))),
        ]);
    }

    /// <summary>What is registered so already: whoever repeats its registrations locks nothing.</summary>
    private async Task<RegisteredRuntimes?> UnchangedAsync(
        string tenant, IReadOnlyList<RuntimeRegistration> registrations, CancellationToken cancellationToken)
    {
        var ids = registrations.Select(r => r.RuntimeId).ToList();
        var present = await db.Runtimes.AsNoTracking()
            .Where(r => ids.Contains(r.RuntimeId) && r.Tenant == tenant && r.State != RuntimeState.Deregistering)
            .ToDictionaryAsync(r => r.RuntimeId, StringComparer.Ordinal, cancellationToken);
        return registrations.All(r => present.TryGetValue(r.RuntimeId, out var p) && p.Kind == r.Kind && SameLabels(p.Labels, r.Labels))
            ? new RegisteredRuntimes([.. registrations.Select(r => new RegisteredRuntime(present[r.RuntimeId], Created: false))])
            : null;
    }

    private async Task<HashSet<string>> InsertAsync(
        string tenant, IReadOnlyList<RuntimeRegistration> registrations, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var ids = registrations.Select(r => r.RuntimeId).ToList();
        var existing = await db.Runtimes.AsNoTracking().Where(r => ids.Contains(r.RuntimeId))
            .Select(r => r.RuntimeId).ToHashSetAsync(StringComparer.Ordinal, cancellationToken);
        var retired = await db.RetiredRuntimes.AsNoTracking().Where(r => ids.Contains(r.RuntimeId))
            .ToDictionaryAsync(r => r.RuntimeId, r => r.Generation, StringComparer.Ordinal, cancellationToken);

        // A former life's generation goes on, so that its late messages and reports stay behind. A restored database may not
        // know that there was one.
        var floor = await db.Restorations.MaxAsync(r => (long?)r.BaseGeneration, cancellationToken) ?? 0;
        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("kind", ColumnType.Text), ("labels", ColumnType.Text),
            ("generation", ColumnType.Integer));
        var created = new HashSet<string>(StringComparer.Ordinal);
        foreach (var registration in registrations.Where(r => !existing.Contains(r.RuntimeId)).OrderBy(r => r.RuntimeId, StringComparer.Ordinal))
        {
            created.Add(registration.RuntimeId);
            rows.Add(registration.RuntimeId, registration.Kind, db.LabelsToStored(registration.Labels),
                Math.Max(floor, retired.GetValueOrDefault(registration.RuntimeId)));
        }

        var inserted = await rows.ExecuteAsync(
            """
            INSERT INTO runtimes (runtime_id, tenant, kind, labels, state, version, registered_at, state_since, generation,
                sent_generation, report_interval, epoch, report_epoch, report_number, reported_generation, heal_back_off,
                key_refused)
            SELECT x.runtime_id, @tenant, x.kind, x.labels, 'Provisioning', 1, @now, @now, x.generation, x.generation,
                @interval, 0, 0, 0, 0, 0, false
            FROM {rows} WHERE true ON CONFLICT (runtime_id) DO NOTHING
            """, cancellationToken, ("tenant", tenant), ("now", now), ("interval", TimeSpan.FromMinutes(1)));
        return inserted == created.Count
            ? created
            : await KeepOwnAsync(created, now, cancellationToken);
    }

    /// <summary>Another request registered some of them in between: those are not new any more.</summary>
    private async Task<HashSet<string>> KeepOwnAsync(
        HashSet<string> created, DateTimeOffset now, CancellationToken cancellationToken) =>
        await db.Runtimes.AsNoTracking()
            .Where(r => created.Contains(r.RuntimeId) && r.RegisteredAt == now && r.State == RuntimeState.Provisioning && r.Version == 1)
            .Select(r => r.RuntimeId).ToHashSetAsync(StringComparer.Ordinal, cancellationToken);

    private static Refusal? Check(
        string tenant, RuntimeRegistration registration, FleetMember? member, int? expectedVersion, HashSet<string> created)
    {
        if (member is null)
        {
            return new Refusal(StatusCodes.Status409Conflict, "runtime-deregistering",
                $"Runtime '{registration.RuntimeId}' was removed at the same moment. Repeat the request.");
        }

        if (member.Runtime.Tenant != tenant)
        {
            return new Refusal(StatusCodes.Status409Conflict, "runtime-id-taken",
                $"The runtime id '{registration.RuntimeId}' is in use by another tenant; ids are unique across tenants. Choose another one.");
        }

        var runtime = member.Runtime;
        if (runtime.State == RuntimeState.Deregistering)
        {
            return new Refusal(StatusCodes.Status409Conflict, "runtime-deregistering",
                $"Runtime '{runtime.RuntimeId}' is being deregistered. Wait until it is gone, or DELETE it with ?force=true, and register it again.");
        }

        if (runtime.Kind != registration.Kind)
        {
            return new Refusal(StatusCodes.Status409Conflict, "runtime-kind-fixed",
                $"Runtime '{runtime.RuntimeId}' is registered as '{runtime.Kind}'; a kind does not change. Deregister it first.");
        }

        var isNew = created.Contains(runtime.RuntimeId);
        return expectedVersion is not { } expected || Expectation.Holds(expected, isNew ? 0 : runtime.Version) ? null
            : isNew ? new Refusal(StatusCodes.Status412PreconditionFailed, "precondition-failed",
                $"Runtime '{runtime.RuntimeId}' does not exist; the request expects that it does.")
            : Lost(runtime);
    }

    /// <summary>The runtime is not at the version that the client expects.</summary>
    public static Refusal Lost(Runtime runtime) => new(StatusCodes.Status412PreconditionFailed, "precondition-failed",
        $"Runtime '{runtime.RuntimeId}' exists at version {runtime.Version}, which is not what the request expects. Read it again and repeat the change.");

    /// <summary>There is no such runtime.</summary>
    public static Refusal NotFound(string runtimeId) => new(StatusCodes.Status404NotFound, "runtime-not-found",
        $"There is no runtime '{runtimeId}' in this tenant. GET /api/v1/runtimes lists them; PUT /api/v1/runtimes/{runtimeId} registers it.");

    private async Task RelabelAsync(
        FleetSlice fleet, IReadOnlyList<RuntimeRegistration> relabelled, CancellationToken cancellationToken)
    {
        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("labels", ColumnType.Text));
        foreach (var registration in relabelled)
            rows.Add(registration.RuntimeId, db.LabelsToStored(registration.Labels));
        await rows.ExecuteAsync(
            """
            UPDATE runtimes AS r SET labels = x.labels, version = r.version + 1
            FROM {rows} WHERE r.runtime_id = x.runtime_id
            """, cancellationToken);
    }

    private async Task AnnounceAsync(
        string tenant, List<RuntimeRegistration> created, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (created.Count == 0)
            return;

        await bus.Publish(new ProvisionRuntimes([.. created.Select(r => r.RuntimeId)]), cancellationToken);
        foreach (var runtime in created)
        {
            await bus.Publish(
                new RuntimeRegistered(runtime.RuntimeId, tenant, runtime.Kind, runtime.Labels, now), cancellationToken);
        }
    }

    private static bool SameLabels(IReadOnlyDictionary<string, string> a, IReadOnlyDictionary<string, string> b) =>
        a.Count == b.Count && a.All(l => b.TryGetValue(l.Key, out var value) && value == l.Value);
}
