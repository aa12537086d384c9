using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Credentials;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Governor.Director.Drift;

/// <summary>What one run of the drift job did.</summary>
internal sealed record DriftScanResult(int Findings, int Sent);

/// <summary>One run of the drift job: wakes what went quiet, sweeps, compares assignments with reports, records findings,
/// delivers and heals. Set-based, in several short transactions, so that it holds no lock for long.</summary>
internal sealed class DriftScan(
    DirectorDbContext db, Sweeper sweeper, Assigner assigner, DriftComparison comparison, FindingRecorder recorder,
    GivingBack givingBack, VersionStages versions, BrokerMark mark, IPublishEndpoint bus, IOptions<DriftOptions> options,
    IOptions<DeliveryOptions> delivery, TimeProvider clock)
{
    /// <summary>Runs once; a run that is under way elsewhere is waited for.</summary>
    /// <param name="scheduledAt">The moment that the schedule names; null if somebody asked for the run.</param>
    /// <param name="cancellationToken">Ends the run between two transactions.</param>
    /// <returns>What it did; null if another Director has served this moment already.</returns>
    public async Task<DriftScanResult?> RunAsync(DateTimeOffset? scheduledAt, CancellationToken cancellationToken)
    {
        if (await db.BeginRunAsync(scheduledAt, clock.GetUtcNow(), cancellationToken) is not { } runId)
            return null;

        try
        {
            await using var alone = await ScanLock.TakeAsync(db, cancellationToken);
            var result = await RunAloneAsync(cancellationToken);
            await db.EndRunAsync(runId, result, error: null, clock.GetUtcNow(), cancellationToken);
            return result;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            await TryRecordAsync(runId, $"{e.GetType().Name}: {e.Message}", cancellationToken);
            throw;
        }
    }

    private async Task TryRecordAsync(Guid runId, string error, CancellationToken cancellationToken)
    {
        try
        {
            db.ChangeTracker.Clear();
            await db.EndRunAsync(runId, result: null, error, clock.GetUtcNow(), cancellationToken);
        }
        catch (Exception e) when (e is System.Data.Common.DbException or InvalidOperationException)
        {
            // The database is away: what ended the run is the error to see.
        }
    }

    private async Task<DriftScanResult> RunAloneAsync(CancellationToken cancellationToken)
    {
        await mark.CheckAsync(cancellationToken);
        var now = clock.GetUtcNow();
        await InTransactionAsync(() => WakeAsync(now, cancellationToken), cancellationToken);
        await sweeper.SweepAllAsync(work => InTransactionAsync(work, cancellationToken), cancellationToken);

        var comparisonResult = await comparison.CompareAsync(now, cancellationToken);
        if (options.Value.Mode != DriftMode.Off)
            await InTransactionAsync(() => recorder.RecordAsync(comparisonResult, now, cancellationToken), cancellationToken);
        else if (await db.Findings.AnyAsync(cancellationToken))
            await InTransactionAsync(() => db.Findings.ExecuteDeleteAsync(cancellationToken), cancellationToken);
        await ResetBackOffAsync(comparisonResult, cancellationToken);

        var sent = 0;
        foreach (var chunk in comparisonResult.Refused.GroupBy(p => p.RuntimeId, StringComparer.Ordinal).Chunk(Assigner.Chunk))
        {
            await InTransactionAsync(
                async () =>
                {
                    var fleet = await assigner.LockAsync([.. chunk.Select(g => g.Key)], cancellationToken);
                    sent += await givingBack.GiveBackAsync(fleet, chunk.SelectMany(g => g), cancellationToken);
                },
                cancellationToken);
        }

        var sends = comparisonResult.Sends(options.Value.Mode, now).Take(options.Value.MaxSends).ToList();
        foreach (var chunk in sends.Chunk(Assigner.Chunk))
            await InTransactionAsync(async () => sent += await SendAsync(chunk, now, cancellationToken), cancellationToken);
        await InTransactionAsync(() => versions.AnnounceRevocableAsync(cancellationToken), cancellationToken);
        return new DriftScanResult(comparisonResult.Findings.Count, sent);
    }

    /// <summary>Rollouts whose saga went quiet, actions that nobody answered, and runtimes that stayed in provisioning get
    /// their message again.</summary>
    private async Task WakeAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var quietSince = now - options.Value.Interval;
        var quiet = await db.Rollouts.AsNoTracking()
            .Where(r => r.EndedAt == null && r.TouchedAt <= quietSince)
            .Select(r => r.CorrelationId).ToListAsync(cancellationToken);
        foreach (var rolloutId in quiet)
            await bus.Publish(new TargetsProgressed(rolloutId), cancellationToken);

        var unanswered = await db.Actions.AsNoTracking()
            .Where(a => a.AnsweredAt == null && a.RequestedAt <= quietSince)
            .Select(a => new { a.RolloutId, a.ActionId }).ToListAsync(cancellationToken);
        foreach (var action in unanswered)
            await bus.Publish(new RolloutActionRequested(action.RolloutId, action.ActionId), cancellationToken);

        var lateSince = now - delivery.Value.Deadline;
        var unprovisioned = await db.Runtimes.AsNoTracking()
            .Where(r => r.State == RuntimeState.Provisioning && r.StateSince <= lateSince)
            .Select(r => r.RuntimeId).ToListAsync(cancellationToken);
        foreach (var chunk in unprovisioned.Chunk(FleetRegistry.MaxBatch))
            await bus.Publish(new ProvisionRuntimes(chunk), cancellationToken);
    }

    private async Task<int> SendAsync(DriftSend[] chunk, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var fleet = await assigner.LockAsync([.. chunk.Select(s => s.RuntimeId)], cancellationToken);
        var rows = new RowSet(db, ("runtime_id", ColumnType.Text), ("not_before", ColumnType.Instant), ("back_off", ColumnType.Integer));
        var budget = new SendBudget();
        var members = new List<FleetMember>();
        foreach (var send in chunk)
        {
            // Looked at again under the lock: somebody else may have sent to it in between.
            if (fleet.Find(send.RuntimeId) is not { WhyNotSent: null } member || member.Runtime.HealNotBefore > now
                || member.Runtime.SentGeneration != send.SentGeneration || !budget.Takes(member))
            {
                continue;
            }

            member.Resent.UnionWith(send.Configurations);
            members.Add(member);
            var wait = member.Runtime.HealBackOff > TimeSpan.Zero ? member.Runtime.HealBackOff : options.Value.Interval;
            // A little early: a run that starts some milliseconds sooner than the last must not pass it over.
            rows.Add(send.RuntimeId, now + (wait * 0.9), Doubled(wait).Ticks);
        }

        await assigner.SendAsync(members, new SendCause(), cancellationToken);
        await rows.ExecuteAsync(
            """
            UPDATE runtimes AS r SET heal_not_before = x.not_before, heal_back_off = x.back_off
            FROM {rows} WHERE r.runtime_id = x.runtime_id
            """, cancellationToken);
        return members.Count;
    }

    private static TimeSpan Doubled(TimeSpan wait)
    {
        var longest = TimeSpan.FromHours(1);
        return wait * 2 < longest ? wait * 2 : longest;
    }

    /// <summary>Whoever is found in order may be healed at once the next time.</summary>
    private async Task ResetBackOffAsync(DriftComparisonResult result, CancellationToken cancellationToken)
    {
        var troubled = result.Troubled;
        var calm = (await db.Runtimes.AsNoTracking().Where(r => r.HealNotBefore != null).Select(r => r.RuntimeId)
            .ToListAsync(cancellationToken)).Where(id => !troubled.Contains(id)).ToList();
        if (calm.Count == 0)
            return;

        foreach (var chunk in calm.Chunk(Assigner.Chunk))
        {
            await InTransactionAsync(
                async () =>
                {
                    await assigner.LockAsync(chunk, cancellationToken);
                    await db.Runtimes.Where(r => chunk.Contains(r.RuntimeId)).ExecuteUpdateAsync(
                        set => set.SetProperty(r => r.HealNotBefore, (DateTimeOffset?)null)
                            .SetProperty(r => r.HealBackOff, TimeSpan.Zero),
                        cancellationToken);
                },
                cancellationToken);
        }
    }

    private async Task InTransactionAsync(Func<Task> work, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await work();
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}
