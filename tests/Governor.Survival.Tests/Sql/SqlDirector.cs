using Governor.Contracts;
using Governor.Director.Assignments;
using Governor.Director.Configurations;
using Governor.Director.Credentials;
using Governor.Director.Drift;
using Governor.Director.Operations;
using Governor.Director.Persistence;
using Governor.Director.Reports;
using Governor.Director.Rollouts;
using Governor.Director.Runtimes;
using Governor.Messaging;
using Governor.Survival.Tests.Fleet;
using Governor.Survival.Tests.Model;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Governor.Survival.Tests.Sql;

/// <summary>The Director's own services on a database, without a bus.</summary>
/// <param name="start">Starts a Director's process, instead of the last one.</param>
/// <param name="clock">The time.</param>
/// <param name="sink">Takes what is sent.</param>
/// <param name="broker">The broker.</param>
internal sealed partial class SqlDirector(Func<IServiceProvider> start, WorldClock clock, Sink sink, MarkedBroker broker) : ITwin
{
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly SqlNames names = new();
    private IServiceProvider services = start();
    private string tenant = "";
    private int histories;

    /// <summary>Begins with an empty database.</summary>
    public void Reset()
    {
        // What is cached of revisions belongs to a tenant, so each history has one of its own.
        tenant = $"t{++histories}";
        names.Clear();
        restorations = 0;
        Run(async scope =>
        {
            var db = scope.GetRequiredService<DirectorDbContext>();
            await DatabaseText.ClearAsync(db);
            await db.BeatAsync(WorldClock.Beginning, None);
        });
    }

    public IReadOnlyList<Mail> Change(string configuration, Content? content, Policy policy) => Run(async scope =>
    {
        var handler = scope.GetRequiredService<ConfigurationHandler>();
        var change = new ChangeRequest(tenant, configuration, "a test", ExpectedRevision: null);
        var how = How(policy);
        if (content is null)
        {
            await handler.DeleteAsync(change, how, None);
            return;
        }

        var target = content.Region == Content.Everywhere ? new TargetSelector()
            : new TargetSelector(MatchLabels: Labels(content.Region));
        var whole = ConfigurationContent.Normalized(content.Components(), target, content.Priority, allowPlaintext: false);
        var references = content.Credentials().Select(name => new CredentialReference("$", name, FleetKeys.Entry)).ToList();
        var outcome = await handler.UpdateAsync(change, new ConfigurationRequest(whole, AllowEmpty: true, how, references), None);
        Assert.True(outcome.Succeeded || outcome.Refusal!.Code == "unprocessable", outcome.Refusal?.Code);
    });

    private static RolloutPolicy How(Policy policy) => RolloutPolicy.Default with
    {
        MaxConcurrency = policy.MaxConcurrency, MaxFailures = policy.MaxFailures, ProgressDeadline = TimeSpan.FromSeconds(policy.Deadline),
        Overlap = TimeSpan.FromSeconds(ModelDirector.Overlap),
    };

    private static Dictionary<string, string> Labels(string region) => new(StringComparer.Ordinal) { ["region"] = region };

    public IReadOnlyList<Mail> Register(string runtimeId, string region) => Run(scope => scope.GetRequiredService<FleetRegistry>()
        .RegisterAsync(tenant, [new RuntimeRegistration(runtimeId, "standalone-kyma", Labels(region))], expectedVersion: null, None));

    public IReadOnlyList<Mail> Deregister(string runtimeId, bool force) => Run(scope =>
        scope.GetRequiredService<Deregistration>().BeginAsync(tenant, runtimeId, force, expectedVersion: null, None));

    public IReadOnlyList<Mail> RequestAction(RolloutKey rollout, string action) => Run(async scope =>
        names.AddAction((await scope.GetRequiredService<RolloutActionHandler>().RequestAsync(names.IdOf(rollout)!.Value, action, "a test", None))!.ActionId));

    /// <summary>What the saga's repository does around a step: the row is read, and saved with its state.</summary>
    public IReadOnlyList<Mail> Handle(Hint hint) => Run(async scope =>
    {
        if (names.IdOf(hint.Rollout) is not { } id || (hint.Action is { } action && names.Action(action) is null))
            return;

        var db = scope.GetRequiredService<DirectorDbContext>();
        await using var transaction = await db.Database.BeginTransactionAsync(None);
        var rollout = await db.Rollouts.SingleAsync(r => r.CorrelationId == id, None);
        rollout.CurrentState = await StepAsync(scope.GetRequiredService<RolloutEngine>(), rollout, hint);
        await db.SaveChangesAsync(None);
        await transaction.CommitAsync(None);
    });

    /// <summary>The step that the saga's state machine takes in this state.</summary>
    private async Task<string> StepAsync(RolloutEngine engine, Rollout rollout, Hint hint)
    {
        switch (rollout.CurrentState, hint.Kind)
        {
            case (_, HintKind.Action):
                return await engine.ActAsync(rollout, names.Action(hint.Action!.Value)!.Value, None);
            case (RolloutStates.Planned, HintKind.Planned or HintKind.Progressed):
                return await engine.StartAsync(rollout, None);
            case (RolloutStates.Progressing, not HintKind.Planned):
                return await engine.AdvanceAsync(rollout, None);
            case (RolloutStates.Aborting, not HintKind.Planned):
                return await engine.WindDownAsync(rollout, None);
            case (RolloutStates.RollingBack, not HintKind.Planned):
                return await engine.FollowRollbackAsync(rollout, None);
            case (var state, HintKind.Next) when RolloutStates.IsGood(state):
                await engine.SweepAsync(rollout, after: null, None);
                return state;
            default:
                return rollout.CurrentState;
        }
    }

    public IReadOnlyList<Mail> Record(IReadOnlyList<RuntimeReported> batch) => Run(async scope =>
    {
        var progressed = await scope.GetRequiredService<ReportRecorder>().RecordAsync([.. batch.Select(WithIds)], None);
        sink.Sent.AddRange(progressed.Select(id => new TargetsProgressed(id)));
    });

    public IReadOnlyList<Mail> Enrol(Enrolment enrolment) => Run(scope => Consumer<EnrolmentConsumer>(scope).Consume(
        Batch(new AgentEnrolled(enrolment.RuntimeId, "standalone-kyma", "instance", enrolment.Key,
            TimeSpan.FromSeconds(AgentProcess.ReportInterval), "1.0.0", enrolment.Start))));

    public IReadOnlyList<Mail> Provision(string runtimeId) => Run(scope =>
        Consumer<ProvisionRuntimesConsumer>(scope).Consume(Context(new ProvisionRuntimes([runtimeId]))));

    public IReadOnlyList<Mail> TakeBack(Undeliverable message) => Run(scope => message.Generation == 0
        ? Consumer<UndeliverableConsumer>(scope).Consume(Batch(new ReportRequested(message.RuntimeId, 1)))
        : Consumer<UndeliverableConsumer>(scope).Consume(
            Batch(new ConfigurationUpdated(message.RuntimeId, message.Generation, new DesiredState([], [])))));

    public IReadOnlyList<Mail> Tick() => Run(scope => EachSecond.ClaimDueAsync(
        scope.GetRequiredService<DirectorDbContext>(), scope.GetRequiredService<IPublishEndpoint>(), clock.GetUtcNow(), None));

    public IReadOnlyList<Mail> RunDrift(DriftMode mode, bool isBrokerMarked)
    {
        broker.IsMarked = isBrokerMarked;
        services.GetRequiredService<IOptions<DriftOptions>>().Value.Mode = mode;
        return Run(scope => scope.GetRequiredService<DriftScan>().RunAsync(scheduledAt: null, None));
    }

    public void ListenAgain() => Run(scope => scope.GetRequiredService<DirectorDbContext>().BeatAsync(clock.GetUtcNow(), None));

    public void DieBeforeCommit(Func<IDirector, IReadOnlyList<Mail>> step)
    {
        sink.DiesAtCommit = true;
        try
        {
            Assert.Empty(step(this));
        }
        catch (DirectorDiedException)
        {
            // As it should.
        }
        finally
        {
            sink.DiesAtCommit = false;
        }
    }

    public string Dump()
    {
        var text = "";
        Run(async scope => text = await DatabaseText.ReadAsync(scope.GetRequiredService<DirectorDbContext>(), names));
        return text;
    }

    private static T Consumer<T>(IServiceProvider scope) => ActivatorUtilities.CreateInstance<T>(scope);

    private ConsumeContext<T> Context<T>(T message)
        where T : class => BusProxy.Of<ConsumeContext<T>>(sink.Sent.Add, message);

    private ConsumeContext<Batch<T>> Batch<T>(T message)
        where T : class => Context<Batch<T>>(new BatchOf<T>(Context(message)));

    /// <summary>Does something in a scope of its own, and waits: a history is one thing after another.</summary>
    /// <returns>What was sent.</returns>
    private List<Mail> Run(Func<IServiceProvider, Task> work)
    {
        sink.Sent.Clear();
        Task.Run(async () =>
        {
            await using var scope = services.CreateAsyncScope();
            await work(scope.ServiceProvider);
            Assert.False(scope.ServiceProvider.GetRequiredService<Outbox>().HasLost, "Something was published and never sent.");
        }).GetAwaiter().GetResult();
        return [.. sink.Sent.ToList().SelectMany(Mails)];
    }

    private IEnumerable<Mail> Mails(object message) => message switch
    {
        ConfigurationUpdated m => [Opened(m.RuntimeId, m.Generation, m.Desired)],
        CredentialRotated m => [Opened(m.RuntimeId, m.Generation, m.Desired)],
        CredentialVersionRevocable m => [new Revocable(Items.OfCredential(m.Credential), m.Version, names.LabelOf(m.VersionId))],
        ReportRequested m => [new Ask(m.RuntimeId, m.Epoch, m.Enrol)],
        RolloutPlanned m => [new Hint(KeyOf(m.RolloutId), HintKind.Planned)],
        DispatchNext m => [new Hint(KeyOf(m.RolloutId), HintKind.Next)],
        TargetsProgressed m => [new Hint(KeyOf(m.RolloutId), HintKind.Progressed)],
        RolloutDue m => [new Hint(KeyOf(m.RolloutId), HintKind.Due)],
        RolloutActionRequested m => [new Hint(KeyOf(m.RolloutId), HintKind.Action, names.NumberOf(m.ActionId))],
        ProvisionRuntimes m => m.RuntimeIds.Select(id => new Provision(id)),
        DeprovisionRuntime m => [new Deprovision(m.RuntimeId)],
        _ => [], // public events
    };

    private RolloutKey KeyOf(Guid id)
    {
        if (!names.Knows(id))
        {
            using var scope = services.CreateScope();
            var row = scope.ServiceProvider.GetRequiredService<DirectorDbContext>().Rollouts.AsNoTracking().Single(r => r.CorrelationId == id);
            names.Add(id, row.Item, row.Revision);
        }

        return names.KeyOf(id)!.Value;
    }
}

/// <summary>A batch of one message.</summary>
internal sealed class BatchOf<T>(ConsumeContext<T> message) : Batch<T>
    where T : class
{
    public BatchCompletionMode Mode => BatchCompletionMode.Forced;

    public DateTime FirstMessageReceived => default;

    public DateTime LastMessageReceived => default;

    public int Length => 1;

    public ConsumeContext<T> this[int index] => message;

    public IEnumerator<ConsumeContext<T>> GetEnumerator()
    {
        yield return message;
    }

    System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>A broker that has whatever it should have, but for its mark.</summary>
internal sealed class MarkedBroker : IRuntimeProvisioner
{
    public bool IsMarked { get; set; } = true;

    public Task ProvisionAsync(IReadOnlyCollection<string> runtimeIds, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task DeprovisionAsync(string runtimeId, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<bool> IsMarkedAsync(CancellationToken cancellationToken) => Task.FromResult(IsMarked);

    public Task MarkAsync(CancellationToken cancellationToken)
    {
        IsMarked = true;
        return Task.CompletedTask;
    }
}
