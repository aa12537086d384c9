using Governor.Contracts;

namespace Governor.Survival.Tests;

/// <content>The broker: what is under way, and what goes wrong with it.</content>
internal sealed partial class World
{
    private const int SecondsToRestore = 6;

    private bool IsAnythingUnderWay => inbox.Count > 0 || reports.Count > 0
        || agents.Where((agent, i) => agent.IsUp && bound.Contains(Name(i)) && queues[Name(i)].Count > 0).Any();

    private void Say(RuntimeReported report)
    {
        trace?.Add($"    report {report.RuntimeId} ({report.Epoch},{report.Number}) g{report.Generation} " + string.Join(' ',
            report.Configurations.Select(c => $"{c.Name}={c.Digest?[..6]}:{c.Outcome}:{c.OutcomeDigest?[..6]}"))
            + string.Concat(report.Credentials.Select(c => " " + c.VersionId))
            + (report.UnopenedGeneration is { } closed ? $" cannot open g{closed}" : ""));
        reports.Add(report);
    }

    private void Route(IEnumerable<Mail> mails)
    {
        foreach (var mail in mails)
        {
            sends += mail is Enrolment ? 0 : 1;
            if (mail is Whole whole)
                CheckSend(whole);
            switch (mail)
            {
                case Whole { RuntimeId: var id, Generation: var generation } when !bound.Contains(id):
                    inbox.Add(new Undeliverable(id, generation));
                    break;
                case Ask { RuntimeId: var id } when !bound.Contains(id):
                    inbox.Add(new Undeliverable(id, 0));
                    break;
                case Whole { RuntimeId: var id }:
                    Enqueue(id, mail);
                    break;
                case Ask { RuntimeId: var id }:
                    Enqueue(id, mail);
                    break;
                case Revocable revocable:
                    CheckRevocable(revocable);
                    break;
                default:
                    inbox.Add(mail);
                    break;
            }
        }
    }

    /// <summary>Only the newest matter: a full queue drops its head.</summary>
    private void Enqueue(string runtimeId, Mail mail)
    {
        var queue = queues[runtimeId];
        queue.Add(mail);
        if (queue.Count > QueueLength)
            queue.RemoveAt(0);
    }

    /// <summary>Everything that is under way now arrives, in order.</summary>
    private void FlowOnce()
    {
        for (var i = 0; i < agents.Length; i++)
            Take(i, [.. queues[Name(i)]]);
        if (reports.Count > 0)
            Record([.. reports]);
        foreach (var mail in inbox.ToList())
            Consume(mail);
    }

    private void DeliverOne(int pick)
    {
        switch (PickOne(pick))
        {
            case (var list, Mail mail) when list == inbox:
                Consume(mail);
                break;
            case (_, RuntimeReported report):
                Record([report]);
                break;
            case (_, Whole whole):
                Take(int.Parse(whole.RuntimeId.AsSpan(1)), [whole]);
                break;
            case (_, Ask ask):
                Take(int.Parse(ask.RuntimeId.AsSpan(1)), [ask]);
                break;
        }
    }

    /// <summary>One of all messages under way, with the list that it is in.</summary>
    private (System.Collections.IList? List, object? Message) PickOne(int pick)
    {
        System.Collections.IList[] lists = [inbox, reports, .. queues.Values];
        var count = lists.Sum(l => l.Count);
        var index = count == 0 ? 0 : pick % count;
        foreach (var list in lists)
        {
            if (index < list.Count)
                return (list, list[index]);
            index -= list.Count;
        }

        return (null, null);
    }

    /// <summary>The Agent takes some messages of its queue; those that it does not acknowledge stay there.</summary>
    private void Take(int runtime, IReadOnlyList<Mail> batch)
    {
        var agent = agents[runtime];
        if (!agent.IsUp || !bound.Contains(Name(runtime)) || batch.Count == 0)
            return;

        trace?.Add($"agent of {Name(runtime)} takes {string.Join(" and ", batch.Select(m => m is Whole w ? $"g{w.Generation}" : "a request"))}");
        Handling(runtime, batch);
        var acknowledged = agent.Handle(batch);
        CheckTruth(runtime);
        if (acknowledged)
        {
            CheckAcknowledged(Name(runtime), batch);
            foreach (var mail in batch)
                queues[Name(runtime)].Remove(mail);
            return;
        }

        trace?.Add("  it dies");
        agent.Start();
    }

    private void Record(IReadOnlyList<RuntimeReported> batch)
    {
        reports.RemoveAll(batch.Contains);
        trace?.Add($"record {string.Join(", ", batch.Select(r => $"{r.RuntimeId} ({r.Epoch},{r.Number})"))}");
        if (Dies(d => d.Record(batch), out var sent))
        {
            // What follows a commit is lost with the process; the batch comes again.
            reports.AddRange(batch);
            Route(sent.Where(m => m is not Hint));
        }
        else
        {
            Route(sent);
        }

        Recorded(batch);
    }

    private void Consume(Mail mail)
    {
        inbox.Remove(mail);
        trace?.Add($"consume {mail}");
        if (mail is Deprovision { RuntimeId: var gone })
        {
            if (!model.Runtimes.ContainsKey(gone))
                LoseQueue(gone);
            return;
        }

        if (mail is Provision { RuntimeId: var made } && model.Runtimes.ContainsKey(made))
            bound.Add(made);
        if (Dies(d => mail switch
        {
            Hint hint => d.Handle(hint),
            Enrolment enrolment => d.Enrol(enrolment),
            Provision provision => d.Provision(provision.RuntimeId),
            Undeliverable undeliverable => d.TakeBack(undeliverable),
            _ => throw new InvalidOperationException($"Nobody consumes {mail}."),
        }, out var sent))
        {
            inbox.Add(mail);
        }

        Route(sent);
    }

    /// <summary>Does a step of the Director on a message, and dies over it if that is due.</summary>
    /// <returns>Whether the message comes again.</returns>
    private bool Dies(Func<IDirector, IReadOnlyList<Mail>> step, out IReadOnlyList<Mail> sent)
    {
        var committed = dies;
        dies = null;
        if (committed == false)
        {
            twin?.DieBeforeCommit(step);
            if (twin is not null)
                Same("the tables, after a crash", model.Dump(), twin.Dump());
            sent = [];
            return true;
        }

        sent = Direct(step);
        return committed == true;
    }

    private void LoseQueue(string runtimeId)
    {
        queues[runtimeId].Clear();
        bound.Remove(runtimeId);
        var agent = Agent(int.Parse(runtimeId.AsSpan(1)));
        if (agent.IsUp)
            agent.Connect();
    }

    private void StopDirectors(int seconds)
    {
        directorsUp = false;
        for (var i = 0; i < seconds; i++)
            PassSecond(quickly: false);
        directorsUp = true;
    }

    /// <summary>Actions are asked for again by people: what is under way of one does not reach another of the same number.</summary>
    private void RestoreBackup()
    {
        StopDirectors(SecondsToRestore);
        inbox.RemoveAll(m => m is Hint { Kind: HintKind.Action });
        model.Restore();
        twin?.Restore();
        Restored();
        if (twin is not null)
            Same("the tables, after a restore", model.Dump(), twin.Dump());
    }

    private void GoWrong(Step step)
    {
        switch (step)
        {
            case Lose(var pick) when PickOne(pick) is ({ } list, var lost):
                list.Remove(lost);
                break;
            case Duplicate(var pick) when PickOne(pick) is ({ } list, var twice):
                list.Add(twice);
                break;
            case Delay(var pick) when PickOne(pick) is ({ } list, var late):
                list.Remove(late);
                list.Add(late);
                break;
            case DirectorDies(var committed):
                dies = committed;
                break;
            case DirectorsDown(var seconds):
                StopDirectors(seconds);
                model.ListenAgain();
                twin?.ListenAgain();
                break;
            case AgentDies(var r, var death):
                Agent(r).Dies = death;
                break;
            case AgentAway(var r, var seconds) when Agent(r).IsUp:
                Agent(r).DownUntil = clock.Now + seconds;
                break;
            case ApplyFails(var r):
                Agent(r).Runtime.Failing++;
                break;
            case QueueDeleted(var r):
                LoseQueue(Runtime(r));
                break;
            case Tamper(var r, var pick, var remove):
                Tampered(r % history.Runtimes, Agent(r).Runtime.Tamper(pick, remove));
                break;
            case KeyLost(var r):
                Agent(r).LoseKey();
                break;
            case TamperWithSecret(var r, var pick):
                Tampered(r % history.Runtimes, Agent(r).Runtime.TamperWithSecret(pick));
                break;
            case FormerSecretStays(var r):
                Agent(r).Runtime.Lingering++;
                break;
            case BackUp:
                model.BackUp();
                twin?.BackUp();
                break;
            case Restore when model.HasBackup:
                RestoreBackup();
                break;
            case BrokerWiped:
                inbox.Clear();
                reports.Clear();
                foreach (var runtimeId in queues.Keys)
                    LoseQueue(runtimeId);
                isBrokerMarked = false;
                break;
        }
    }
}
