using Governor.Director.Assignments;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;

namespace Governor.Survival.Tests.Model;

/// <summary>The protocol between Director and Agents as a model of the tables: what the Director's SQL must do, in a page
/// per rule. This part: what operators ask for, and what follows in the fleet.</summary>
/// <param name="now">The present, in seconds.</param>
/// <param name="off">A rule that does not hold in this variant.</param>
internal sealed partial class ModelDirector(Func<long> now, Rule? off = null) : IDirector
{
    private List<ActionRow> actions = [];
    private SortedDictionary<string, long> retired = new(StringComparer.Ordinal);
    private List<Mail> outbox = [];
    private long listeningSince;

    public SortedDictionary<string, ItemRow> Configurations { get; private set; } = new(StringComparer.Ordinal);

    /// <summary>By item.</summary>
    public SortedDictionary<string, ItemRow> Credentials { get; private set; } = new(StringComparer.Ordinal);

    public SortedDictionary<string, RuntimeRow> Runtimes { get; private set; } = new(StringComparer.Ordinal);

    public List<RolloutRow> Rollouts { get; private set; } = [];

    /// <summary>Called when a target moves.</summary>
    public Action<RolloutRow, TargetRow> Moved { get; init; } = (_, _) => { };

    /// <summary>Called when a runtime is assigned a revision, with the one that it had.</summary>
    public Action<RuntimeRow, RevisionRow?, RevisionRow, Cause> Assigned { get; init; } = (_, _, _, _) => { };

    private bool Holds(Rule rule) => off != rule;

    private IEnumerable<RolloutRow> Open(string configuration) =>
        Rollouts.Where(r => !r.IsFinal && r.Revision.Item.Name == configuration);

    public RolloutRow Find(RolloutKey key) => Rollouts.Single(r => r.Key == key);

    private List<Mail> Sent()
    {
        var sent = outbox;
        outbox = [];
        return sent;
    }

    private void Progress(RolloutRow rollout) => outbox.Add(new Hint(rollout.Key, HintKind.Progressed));

    private void Move(RolloutRow rollout, TargetRow target, TargetState to)
    {
        rollout.Counters[(int)target.State]--;
        rollout.Counters[(int)to]++;
        (target.State, target.LacksKey) = (to, false);
        Moved(rollout, target);
    }

    private void Defer(RolloutRow rollout, TargetRow target, string reason)
    {
        Move(rollout, target, TargetState.Deferred);
        target.LacksKey = reason == NoKey;
    }

    /// <summary><i>Accept</i>: revision, rollout with its targets, and the message that wakes the saga.</summary>
    public IReadOnlyList<Mail> Change(string configuration, Content? content, Policy policy)
    {
        if (!Configurations.TryGetValue(configuration, out var row))
        {
            if (content is null)
                return [];
            row = new ItemRow(configuration, now());
        }

        if (content?.Credentials().All(name => Credentials.ContainsKey(Items.OfCredential(name))) == false)
            return [];
        Configurations[configuration] = row;

        // The same content again is no change, if it is stable or on its way.
        var newest = row.Revisions.LastOrDefault();
        if (newest is not null && newest.Content == content
            && (row.Stable == newest.Number || Rollouts.Exists(r => r.Key == newest.Key && !r.IsFinal)))
        {
            return [];
        }

        var revision = Add(row, content);
        Plan(revision, policy, null, Runtimes.Values
            .Where(r => r.State != RuntimeState.Deregistering && (revision.Matches(r.Region) || r.Assignments.ContainsKey(configuration)))
            .Select(r => r.Id));
        return Sent();
    }

    private static RevisionRow Add(ItemRow row, Content? content)
    {
        var revision = new RevisionRow(row, row.Revisions.Count + 1, content, content is null ? null : Digests.Of(content));
        row.Revisions.Add(revision);
        return revision;
    }

    private RolloutRow Plan(RevisionRow revision, Policy policy, RolloutRow? rollbackOf, IEnumerable<string> runtimeIds)
    {
        var rollout = new RolloutRow(revision, Rollouts.Count(r => r.Revision == revision), policy) { TouchedAt = now(), RollbackOf = rollbackOf };
        foreach (var runtimeId in runtimeIds)
            AddTarget(rollout, runtimeId);
        Rollouts.Add(rollout);
        outbox.Add(new Hint(rollout.Key, HintKind.Planned));
        return rollout;
    }

    private static void AddTarget(RolloutRow rollout, string runtimeId)
    {
        if (rollout.Targets.TryGetValue(runtimeId, out var former))
            rollout.Counters[(int)former.State]--;
        rollout.Targets[runtimeId] = new TargetRow(runtimeId);
        rollout.Counters[(int)TargetState.Waiting]++;
    }

    public IReadOnlyList<Mail> Register(string runtimeId, string region)
    {
        if (!Runtimes.TryGetValue(runtimeId, out var runtime))
        {
            var birth = Math.Max(restoredAt, retired.GetValueOrDefault(runtimeId));
            Runtimes[runtimeId] = runtime = new RuntimeRow(runtimeId)
            {
                Region = region, StateSince = now(), Generation = birth, SentGeneration = birth, Birth = birth,
            };
            Join(runtime, former: null);
            outbox.Add(new Provision(runtimeId));
        }
        else if (runtime.State != RuntimeState.Deregistering && runtime.Region != region)
        {
            var former = runtime.Region;
            (runtime.Region, runtime.RelabelledAt) = (region, now());
            Join(runtime, former);
        }

        return Sent();
    }

    /// <summary><i>Join and leave</i>: who begins to match is assigned the stable revision at once and is taken in by open
    /// rollouts; who ceases to match loses what it was assigned at once. Registering sends the whole even if it is empty.</summary>
    private void Join(RuntimeRow runtime, string? former)
    {
        bool Begins(RevisionRow revision) => revision.Matches(runtime.Region) && !Matched(revision);
        bool Matched(RevisionRow revision) => former is not null && revision.Matches(former);

        var changes = new Changes();
        foreach (var configuration in Configurations.Values)
        {
            var stable = configuration.StableRevision is { } s && Begins(s) && !runtime.Rejections.Contains(s.Digest!) ? s : null;
            if (runtime.Assignments.TryGetValue(configuration.Name, out var assigned))
            {
                if (!assigned.Revision.Matches(runtime.Region) && Matched(assigned.Revision))
                    changes[configuration.Name] = stable;
            }
            else if (stable is not null)
            {
                changes[configuration.Name] = stable;
            }
        }

        // A rotation takes nobody in: who begins to use the credential is given the current version.
        foreach (var rollout in Rollouts.Where(r => !r.IsFinal && !r.Revision.Item.IsCredential))
        {
            var revision = rollout.Revision;
            var name = revision.Item.Name;
            var target = rollout.Targets.GetValueOrDefault(runtime.Id);
            if (Begins(revision) && target is null or { State: TargetState.Removed }
                && rollout.State is not (RolloutStates.Aborting or RolloutStates.RollingBack))
            {
                AddTarget(rollout, runtime.Id);
                Progress(rollout);
            }
            else if (target is { IsDone: false } && !revision.Matches(runtime.Region) && Matched(revision)
                && !(changes.TryGetValue(name, out var change) ? change is not null : runtime.Assignments.ContainsKey(name)))
            {
                Move(rollout, target, TargetState.Removed);
                Progress(rollout);
            }
        }

        if (former is null || changes.Count > 0)
            Assign(runtime, changes, Cause.Join);
    }

    public IReadOnlyList<Mail> Deregister(string runtimeId, bool force)
    {
        if (!Runtimes.TryGetValue(runtimeId, out var runtime))
            return [];

        foreach (var rollout in Rollouts.Where(r => !r.IsFinal))
        {
            if (rollout.Targets.TryGetValue(runtimeId, out var target) && !target.IsDone)
            {
                Move(rollout, target, TargetState.Removed);
                Progress(rollout);
            }
        }

        if (force)
        {
            Remove(runtime);
        }
        else if (runtime.State != RuntimeState.Deregistering)
        {
            Assign(runtime, Changes.Nothing(runtime), Cause.Leave);
            (runtime.State, runtime.StateSince, runtime.GoneGeneration) = (RuntimeState.Deregistering, now(), runtime.Generation);
        }

        return Sent();
    }

    /// <summary>Its generation survives, and what it may hold; what it rejected is forgotten.</summary>
    private void Remove(RuntimeRow runtime)
    {
        Runtimes.Remove(runtime.Id);
        retired[runtime.Id] = runtime.Generation;
        foreach (var key in holdings.Keys.Where(h => h.RuntimeId == runtime.Id && !Holds(Rule.HoldingsOutliveARegistration)).ToList())
            holdings.Remove(key);
        outbox.Add(new Deprovision(runtime.Id));
    }

    /// <summary><i>Provisioning</i>: it has its queue, and is ready.</summary>
    public IReadOnlyList<Mail> Provision(string runtimeId)
    {
        if (!Runtimes.TryGetValue(runtimeId, out var runtime))
            return [];

        if (runtime.State == RuntimeState.Provisioning)
            (runtime.State, runtime.StateSince) = (RuntimeState.Ready, now());
        foreach (var rollout in Undefer(runtime))
            Progress(rollout);
        SendUnsent(runtime);
        return Sent();
    }

    /// <summary>What found no queue: its targets are deferred, it counts as never sent, and the queue is made again.</summary>
    public IReadOnlyList<Mail> TakeBack(Undeliverable message)
    {
        if (!Runtimes.TryGetValue(message.RuntimeId, out var runtime))
            return [];

        foreach (var rollout in Rollouts.Where(r => !r.IsFinal))
        {
            if (rollout.Targets.TryGetValue(message.RuntimeId, out var target) && target.State == TargetState.Dispatched
                && target.Generation <= message.Generation)
            {
                Move(rollout, target, TargetState.Deferred);
                Progress(rollout);
            }
        }

        if (message.Generation > 0 && runtime.SentGeneration == message.Generation)
            runtime.SentGeneration--;
        outbox.Add(new Provision(message.RuntimeId));
        return Sent();
    }

    /// <summary>The first enrolment of a start is answered always, later ones only while nothing reports.</summary>
    public IReadOnlyList<Mail> Enrol(Enrolment enrolment)
    {
        if (!Runtimes.TryGetValue(enrolment.RuntimeId, out var runtime))
            return [];

        var isFirstKey = runtime.Kid is null;
        ShowKey(runtime, enrolment.Key.Kid);
        if (enrolment.Start || !(runtime.HeardAt is { } heard && now() - heard <= runtime.ReportInterval * 1.5))
            AskForReport(runtime, enrol: false);
        if (isFirstKey)
            ServeKeyed(runtime);
        return Sent();
    }

    private void AskForReport(RuntimeRow runtime, bool? enrol = null)
    {
        runtime.Epoch = Math.Max(runtime.Epoch, runtime.Stamp.Epoch) + 1;
        outbox.Add(new Ask(runtime.Id, runtime.Epoch, enrol ?? runtime.NeedsKey));
    }

    public void ListenAgain() => listeningSince = now();
}
