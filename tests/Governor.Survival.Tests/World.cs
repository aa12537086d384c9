using Governor.Contracts;
using Governor.Director.Drift;
using Governor.Director.Rollouts;
using Governor.Survival.Tests.Fleet;
using Governor.Survival.Tests.Model;

namespace Governor.Survival.Tests;

/// <summary>Something that must never be so.</summary>
internal sealed class CounterexampleException(string invariant, string details) : Exception($"{invariant}: {details}")
{
    public string Invariant { get; } = invariant;
}

/// <summary>Runs one history: Director, broker and Agents, on a clock of its own, one thing after another. Checks what must
/// hold all through; after the last step the faults stop, time goes on, and what must hold at the end is checked.</summary>
internal sealed partial class World
{
    private const int QueueLength = 16;
    private const int SteadyIntervals = 6;

    /// <summary>How many credentials there are.</summary>
    private const int Credentials = 2;

    /// <summary>Seconds for which a twin goes along once the faults have stopped. By then it has done whatever it can do, and
    /// the model goes on alone to the end.</summary>
    private const int TwinGoesAlong = 90;

    private readonly History history;
    private readonly Rule? off;
    private readonly WorldClock clock;
    private readonly ModelDirector model;
    private ITwin? twin;
    private readonly Trace? trace;
    private readonly AgentProcess[] agents;
    private readonly List<Mail> inbox = [];
    private readonly List<RuntimeReported> reports = [];
    private readonly Dictionary<string, List<Mail>> queues = new(StringComparer.Ordinal);
    private readonly HashSet<string> bound = new(StringComparer.Ordinal);
    private DriftMode mode = DriftMode.Heal;
    private bool directorsUp = true;
    private bool isBrokerMarked = true;
    private bool? dies;
    private int sends;

    /// <param name="history">What happens.</param>
    /// <param name="off">A rule that is switched off.</param>
    /// <param name="twin">Another Director that does the same, and must come to the same.</param>
    /// <param name="clock">The time that the twin goes by.</param>
    /// <param name="trace">Takes what happens, line by line.</param>
    public World(History history, Rule? off = null, ITwin? twin = null, WorldClock? clock = null, Trace? trace = null)
    {
        (this.history, this.off, this.twin, this.trace) = (history, off, twin, trace);
        this.clock = clock ?? new WorldClock();
        this.clock.Now = 0;
        if (trace is not null)
            trace.Clock = this.clock;
        model = new ModelDirector(() => this.clock.Now, off) { Moved = CheckMove, Assigned = CheckAssignment };
        agents = [.. Enumerable.Range(0, history.Runtimes).Select(NewAgent)];
    }

    private static string Name(int runtime) => $"r{runtime}";

    private AgentProcess NewAgent(int number)
    {
        var runtimeId = Name(number);
        queues[runtimeId] = [];
        var runtime = new RuntimeInMemory(value => value == Content.Bad || (value == Content.Odd && number % 2 == 1), off)
        {
            Applying = generation => CheckOrder(runtimeId, generation),
        };
        return new AgentProcess(runtimeId, runtime, clock, Say, enrolment => Route([enrolment]), off);
    }

    public void Run()
    {
        foreach (var step in history.Steps)
        {
            trace?.Add(step.ToString());
            Do(step);
        }

        trace?.Add("--- the faults stop");
        Settle();
        CheckEnd();
        var until = clock.Now + (SteadyIntervals * ModelDirector.DriftInterval);
        var before = sends;
        while (clock.Now < until)
            PassSecond(quickly: true);
        Require(sends == before, "sent in a steady state", () => $"{sends - before} messages in {SteadyIntervals} intervals");
        CheckEnd();
    }

    private void Do(Step step)
    {
        switch (step)
        {
            case Update(var c, var content, var policy):
                Operate(d => d.Change(Configuration(c), content, policy));
                break;
            case Delete(var c, var policy):
                Operate(d => d.Change(Configuration(c), null, policy));
                break;
            case Register(var r, var region):
                Operate(d => d.Register(Runtime(r), region));
                break;
            case Relabel(var r, var region) when model.Runtimes.ContainsKey(Runtime(r)):
                Operate(d => d.Register(Runtime(r), region));
                break;
            case Deregister(var r, var force):
                Operate(d => d.Deregister(Runtime(r), force));
                break;
            case Rotate(var k, var policy):
                Operate(d => d.Rotate($"k{k % Credentials}", policy));
                break;
            case TrustKey(var r):
                Trust(Runtime(r));
                break;
            case Abort(var pick):
                Act(pick, RolloutActions.Abort);
                break;
            case RollBack(var pick):
                Act(pick, RolloutActions.RollBack);
                break;
            case SetMode(var to):
                mode = to;
                break;
            case Flow(var rounds):
                for (var i = 0; i < rounds; i++)
                    FlowOnce();
                break;
            case Deliver(var pick):
                DeliverOne(pick);
                break;
            case Advance(var seconds):
                for (var i = 0; i < seconds; i++)
                    PassSecond(quickly: false);
                break;
            default:
                GoWrong(step);
                break;
        }
    }

    private string Configuration(int number) => $"c{number % history.Configurations}";

    private string Runtime(int number) => Name(number % history.Runtimes);

    private AgentProcess Agent(int number) => agents[number % history.Runtimes];

    private void Operate(Func<IDirector, IReadOnlyList<Mail>> step) => Route(Direct(step));

    /// <summary>An operator looks what key the Agent shows, and trusts it.</summary>
    private void Trust(string runtimeId)
    {
        if (model.Runtimes.GetValueOrDefault(runtimeId) is { UntrustedKid: { } kid })
            Operate(d => d.TrustKey(runtimeId, kid));
    }

    private void Act(int pick, string action)
    {
        var open = model.Rollouts.Where(r => !r.IsFinal).Select(r => r.Key).ToList();
        if (open.Count > 0)
            Operate(d => d.RequestAction(open[pick % open.Count], action));
    }

    /// <summary>One step of the Director, and of its twin, which must come to the same.</summary>
    private IReadOnlyList<Mail> Direct(Func<IDirector, IReadOnlyList<Mail>> step)
    {
        var sent = step(model);
        foreach (var mail in sent)
            trace?.Add($"    sent {mail}");
        if (twin is not null)
        {
            var theirs = step(twin);
            Same("what was sent", Lines(sent), Lines(theirs));
            Same("the tables", model.Dump(), twin.Dump());
        }

        CheckCounters();
        CheckKnowledge();
        return sent;
    }

    /// <summary>The same hint again says no more.</summary>
    private static string Lines(IEnumerable<Mail> mails) =>
        string.Join('\n', mails.OfType<Hint>().Distinct().Concat(mails.Where(m => m is not Hint)).Select(m => m.ToString())
            .Order(StringComparer.Ordinal));

    private static void Same(string what, string expected, string actual)
    {
        if (expected == actual)
            return;

        var (ours, theirs) = (expected.Split('\n'), actual.Split('\n'));
        throw new CounterexampleException("the SQL differs from the model in " + what, "\n"
            + string.Join('\n', ours.Except(theirs).Select(l => "  model: " + l).Concat(theirs.Except(ours).Select(l => "  SQL:   " + l))));
    }

    private void PassSecond(bool quickly)
    {
        clock.Now++;
        for (var i = 0; i < agents.Length; i++)
        {
            if (agents[i].DownUntil <= clock.Now)
            {
                trace?.Add($"agent of {Name(i)} is back");
                agents[i].Start();
            }
            else if (agents[i].IsUp && (clock.Now + (quickly ? 0 : 3 * i)) % AgentProcess.ReportInterval == 0)
            {
                agents[i].Runtime.LetGoOfFormerSecrets();
                CheckTruth(i);
                agents[i].Tick();
            }
        }

        if (directorsUp && model.IsDue)
            Operate(d => d.Tick());
        if (directorsUp && clock.Now % ModelDirector.DriftInterval == 0)
        {
            trace?.Add($"drift run at {clock.Now}");
            Operate(d => d.RunDrift(mode, isBrokerMarked));
            isBrokerMarked = true;
        }

        for (var rounds = 0; quickly && IsAnythingUnderWay; rounds++)
        {
            Require(rounds < 200, "messages go round", () => Lines(inbox));
            FlowOnce();
        }
    }

    /// <summary>No more faults: those who are only away come back, all messages arrive at once, and time goes on for longer
    /// than any back-off that can have grown by now.</summary>
    private void Settle()
    {
        dies = null;
        foreach (var agent in agents)
        {
            agent.Dies = null;
            (agent.Runtime.Failing, agent.Runtime.Lingering) = (0, 0);
        }

        var (stopped, until) = (clock.Now, (2 * clock.Now) + 200);
        while (clock.Now < until)
        {
            PassSecond(quickly: true);
            foreach (var agent in Enumerable.Range(0, agents.Length))
                Trust(Name(agent));
            if (clock.Now == stopped + TwinGoesAlong)
                twin = null;
        }
    }

    private static void Require(bool holds, string invariant, Func<string> details)
    {
        if (!holds)
            throw new CounterexampleException(invariant, details());
    }
}

/// <summary>A Director that is compared with the model.</summary>
internal interface ITwin : IDirector
{
    /// <summary>Does a step that dies before its commit.</summary>
    void DieBeforeCommit(Func<IDirector, IReadOnlyList<Mail>> step);
}

/// <summary>What happens in a history, line by line.</summary>
internal sealed class Trace
{
    private readonly List<string> lines = [];

    public WorldClock Clock { get; set; } = new();

    public void Add(string line) => lines.Add($"{Clock.Now,5} {line}");

    public override string ToString() => string.Join('\n', lines);
}
