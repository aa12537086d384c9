using Governor.Director.Assignments;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Governor.Director.Drift;

/// <summary>A runtime that should be sent the whole again.</summary>
/// <param name="RuntimeId">The runtime.</param>
/// <param name="SentGeneration">What had been sent to it when it was looked at.</param>
/// <param name="Configurations">The configurations that are the reason; empty if its generation is behind.</param>
internal sealed record DriftSend(string RuntimeId, long SentGeneration, IReadOnlyList<string> Configurations);

/// <summary>A runtime and configuration that differ.</summary>
/// <param name="Finding">What is found.</param>
/// <param name="Tenant">Owner of the runtime.</param>
/// <param name="Generation">Generation that brought the assignment; 0 if nothing is assigned.</param>
/// <param name="IsRejected">Whether the runtime rejects the content: it is not sent again, it is given back.</param>
/// <param name="IsFailed">Whether the runtime could not take the content: it is sent again once the deadline is over.</param>
/// <param name="NeverShown">Whether the assignment was never reported as applied: then it is delivered in every mode.</param>
internal sealed record DriftPair(DriftFinding Finding, string Tenant, long Generation, bool IsRejected, bool IsFailed, bool NeverShown);

/// <summary>What a comparison of assignments with reports found.</summary>
internal sealed class DriftComparisonResult
{
    public required IReadOnlyList<DriftPair> Pairs { get; init; }

    public required IReadOnlyList<(Runtime Runtime, bool IsAway, bool IsBehind)> Fleet { get; init; }

    /// <summary>Pairs that were passed over because something is on its way to them: nothing is known of them yet.</summary>
    public required IReadOnlySet<(string RuntimeId, string Configuration)> PassedOver { get; init; }

    public IReadOnlyList<DriftFinding> Findings =>
    [
        .. Pairs.Select(p => p.Finding),
        .. Fleet.Where(f => f.IsAway && f.Runtime.HeardAt is not null).Select(f => new DriftFinding
        {
            RuntimeId = f.Runtime.RuntimeId, Item = "", Kind = DriftKind.Silent,
        }),
    ];

    /// <summary>What is given back: refused outside of a rollout.</summary>
    public IEnumerable<RefusedPair> Refused => Pairs.Where(p => p.IsRejected)
        .Select(p => new RefusedPair(p.Tenant, p.Finding.RuntimeId, p.Finding.Item, p.Generation));

    /// <summary>Runtimes for which back-off goes on.</summary>
    public HashSet<string> Troubled =>
    [
        .. Pairs.Where(p => !p.IsRejected).Select(p => p.Finding.RuntimeId), .. PassedOver.Select(p => p.RuntimeId),
        .. Fleet.Where(f => f.IsBehind || f.IsAway).Select(f => f.Runtime.RuntimeId),
    ];

    /// <summary>Who is to be sent to. <i>Deliver</i> works in every mode; healing in <see cref="DriftMode.Heal"/>.</summary>
    public IEnumerable<DriftSend> Sends(DriftMode mode, DateTimeOffset now)
    {
        var differing = Of(p => !p.IsRejected && !p.IsFailed && (mode == DriftMode.Heal || p.NeverShown));
        var failed = Of(p => p.IsFailed);
        return
            from f in Fleet
            let id = f.Runtime.RuntimeId
            where !f.IsAway && !(f.Runtime.HealNotBefore > now) && (f.IsBehind || differing.Contains(id))
            select new DriftSend(id, f.Runtime.SentGeneration, [.. differing[id], .. f.IsBehind ? failed[id] : []]);

        ILookup<string, string> Of(Func<DriftPair, bool> which) => Pairs.Where(which)
            .ToLookup(p => p.Finding.RuntimeId, p => p.Finding.Item, StringComparer.Ordinal);
    }
}

/// <summary>Compares what runtimes are assigned with what they report, in SQL. Reads only.</summary>
internal sealed class DriftComparison(DirectorDbContext db, IOptions<DeliveryOptions> delivery)
{
    public async Task<DriftComparisonResult> CompareAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        var sentBefore = now - delivery.Value.Deadline;

        // The fleet first: a report that comes between the two reads then makes a pair look answered late, not wrong.
        var fleet = await db.Runtimes.AsNoTracking()
            .Where(r => r.State != RuntimeState.Provisioning).ToListAsync(cancellationToken);
        var pairs = (await DifferencesAsync(cancellationToken)).Concat(await OrphansAsync(cancellationToken));
        var failed = await FailedAsync(cancellationToken);
        var listening = await db.ListeningSinceAsync(now, cancellationToken);
        var runtimes = fleet.ToDictionary(r => r.RuntimeId, StringComparer.Ordinal);

        var found = new List<DriftPair>();
        var passed = new HashSet<(string, string)>();
        foreach (var pair in pairs)
        {
            if (!runtimes.TryGetValue(pair.RuntimeId, out var runtime) || runtime.IsAway(now, listening))
                continue;

            // Something is on its way to this pair: what was sent has not been answered, or a rollout has it in hand. What
            // takes away what is not assigned is the runtime's newest message, whatever that was sent for.
            var (sentAt, sentGeneration) = pair.Digest is null
                ? (runtime.SentAt, runtime.SentGeneration) : (pair.SentAt, pair.SentGeneration);
            var onItsWay = sentAt > sentBefore && runtime.ReportedGeneration < sentGeneration;
            if (onItsWay || pair.InHand)
                passed.Add((pair.RuntimeId, pair.Item));
            else
                found.Add(new DriftPair(ToFinding(pair, now), runtime.Tenant, pair.Generation, pair.Refuses("rejected"), pair.Refuses("failed"),
                    pair.Digest is not null && !pair.Reported));
        }

        return new DriftComparisonResult
        {
            Pairs = found,
            PassedOver = passed,
            Fleet =
            [
                .. fleet.Select(r => (r, r.IsAway(now, listening),
                    r.HeardAt is not null && !(r.SentAt > sentBefore)
                        && (r.ReportedGeneration < r.Generation || failed.Contains(r.RuntimeId)))),
            ],
        };
    }

    /// <summary>Runtimes that report a failure, of whatever; and those that are to hold nothing and still report something:
    /// they are told again.</summary>
    private Task<HashSet<string>> FailedAsync(CancellationToken cancellationToken) => (
            from i in db.ReportItems
            join r in db.Runtimes on i.RuntimeId equals r.RuntimeId
            where i.Outcome == "failed" || r.State == RuntimeState.Deregistering
            select r.RuntimeId)
        .Distinct().ToHashSetAsync(StringComparer.Ordinal, cancellationToken);

    private static DriftFinding ToFinding(Difference pair, DateTimeOffset now) => new()
    {
        RuntimeId = pair.RuntimeId,
        Item = pair.Item,
        Kind = pair.Digest is null ? DriftKind.Orphaned
            : pair.Refuses("rejected") && pair.Reason == ForeignReason ? DriftKind.Foreign
            : pair.Shown is null ? DriftKind.Missing
            : pair.ShowsOlder ? DriftKind.Stale : DriftKind.Tampered,
        DetectedAt = now,
        ExpectedDigest = pair.Digest,
        ReportedDigest = pair.Shown,
        Reason = pair.Outcome is "failed" or "rejected" && pair.OutcomeDigest == pair.Digest
            ? $"{pair.Outcome}: {pair.Message ?? pair.Reason ?? "no reason given"}" : null,
    };

    /// <summary>Pairs whose report does not show what is assigned.</summary>
    private Task<List<Difference>> DifferencesAsync(CancellationToken cancellationToken) => (
            from a in db.Assignments
            join r in db.Runtimes on a.RuntimeId equals r.RuntimeId
            where r.State == RuntimeState.Ready && r.HeardAt != null
            from i in db.ReportItems.Where(i => i.RuntimeId == a.RuntimeId && i.Item == a.Item).DefaultIfEmpty()
            where i == null || i.Digest == null || i.Digest != a.Digest
                || ((i.Outcome == "failed" || i.Outcome == "rejected") && i.OutcomeDigest == a.Digest)
            select new Difference
            {
                RuntimeId = a.RuntimeId,
                Item = a.Item,
                Digest = a.Digest,
                Generation = a.Generation,
                Reported = a.Reported,
                SentAt = a.SentAt,
                SentGeneration = a.SentGeneration,
                Shown = i.Digest,
                Outcome = i.Outcome,
                OutcomeDigest = i.OutcomeDigest,
                Reason = i.Reason,
                Message = i.Message,
                ShowsOlder = db.Revisions.Any(v => v.Tenant == r.Tenant && v.Configuration == a.Item
                        && v.Revision < a.Revision && v.Digest == i.Digest)
                    || db.CredentialVersions.Any(v => v.Tenant == r.Tenant && Items.CredentialPrefix + v.Credential == a.Item
                        && v.Version < a.Revision && v.VersionId == i.Digest),
                InHand = InHand.Any(h => h.RuntimeId == a.RuntimeId && h.Tenant == r.Tenant && h.Item == a.Item),
            })
        .ToListAsync(cancellationToken);

    /// <summary>What is reported and not assigned.</summary>
    private Task<List<Difference>> OrphansAsync(CancellationToken cancellationToken) => (
            from i in db.ReportItems
            join r in db.Runtimes on i.RuntimeId equals r.RuntimeId
            where r.State == RuntimeState.Ready
                && !db.Assignments.Any(a => a.RuntimeId == i.RuntimeId && a.Item == i.Item)
                // A configuration that was refused or failed keeps its last good content, and the secrets to which that refers.
                && !(i.Item.StartsWith(Items.CredentialPrefix) && db.ReportItems.Any(
                    o => o.RuntimeId == i.RuntimeId && (o.Outcome == "failed" || o.Outcome == "rejected")))
            select new Difference
            {
                RuntimeId = i.RuntimeId,
                Item = i.Item,
                Shown = i.Digest,
                Outcome = i.Outcome,
                OutcomeDigest = i.OutcomeDigest,
                Reason = i.Reason,
                Message = i.Message,
                InHand = InHand.Any(h => h.RuntimeId == i.RuntimeId && h.Tenant == r.Tenant && h.Item == i.Item),
            })
        .ToListAsync(cancellationToken);

    /// <summary>Pairs of which an open rollout has a target that was dispatched and is not done, or is not given back yet.</summary>
    private IQueryable<PairInHand> InHand =>
        from t in db.Targets
        join o in db.Rollouts on t.RolloutId equals o.CorrelationId
        where t.DispatchedAt != null && o.EndedAt == null
            && (t.State == TargetState.Waiting || t.State == TargetState.Dispatched || t.State == TargetState.Deferred
                || ((o.CurrentState == RolloutStates.Aborting || o.CurrentState == RolloutStates.RollingBack) && !t.GivenBack
                    && t.State != TargetState.Applied && t.State != TargetState.Skipped && t.State != TargetState.Removed))
        select new PairInHand { RuntimeId = t.RuntimeId, Tenant = o.Tenant, Item = o.Item };

    private const string ForeignReason = "foreign";

    private sealed class PairInHand
    {
        public required string RuntimeId { get; init; }
        public required string Tenant { get; init; }
        public required string Item { get; init; }
    }

    private sealed class Difference
    {
        public required string RuntimeId { get; init; }
        public required string Item { get; init; }

        /// <summary>The digest assigned; null if nothing is.</summary>
        public string? Digest { get; init; }
        public long Generation { get; init; }
        public bool Reported { get; init; }
        public DateTimeOffset? SentAt { get; init; }
        public long? SentGeneration { get; init; }
        public string? Shown { get; init; }
        public string? Outcome { get; init; }
        public string? OutcomeDigest { get; init; }
        public string? Reason { get; init; }
        public string? Message { get; init; }
        public bool ShowsOlder { get; init; }
        public bool InHand { get; init; }

        /// <summary>Whether the newest outcome for what is assigned is this one.</summary>
        public bool Refuses(string outcome) => Digest is not null && Outcome == outcome && OutcomeDigest == Digest;
    }
}
