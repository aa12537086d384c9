using System.Text;
using Governor.Survival.Tests.Fleet;

namespace Governor.Survival.Tests.Model;

/// <content>The tables as text, in the form in which the database's are read.</content>
internal sealed partial class ModelDirector
{
    public string Dump()
    {
        var text = new StringBuilder();
        foreach (var c in Configurations.Values)
            text.Append($"configuration {c.Name}: newest {c.Revisions.Count}, stable {c.Stable}\n");
        foreach (var v in Credentials.Values.SelectMany(c => c.Revisions))
            text.Append($"version {v.Item.Name}/{v.Number} {v.Digest}: {v.Stage}@{v.StageSince}, revocable after {v.RevocableAfter}, at {v.RevocableAt}\n");
        foreach (var ((id, version), generation) in holdings)
            text.Append($"holding {id} {version} g{generation}\n");
        foreach (var (id, generation) in retired)
            text.Append($"retired {id}: {generation}\n");
        foreach (var r in Runtimes.Values)
        {
            text.Append($"runtime {r.Id}: {r.Region} {r.State}@{r.StateSince}, g{r.Generation} sent g{r.SentGeneration}@{r.SentAt} gone g{r.GoneGeneration}, ")
                .Append($"heard {r.HeardAt} ({r.Stamp.Epoch},{r.Stamp.Number}) g{r.ReportedGeneration} of epoch {r.Epoch}, back-off {r.HealNotBefore} {r.HealBackOff}, ")
                .Append($"key {FleetKeys.IndexOf(r.Kid)} untrusted {FleetKeys.IndexOf(r.UntrustedKid)} {r.UntrustedIsShown} refused {r.KeyRefused}\n");
            foreach (var (name, a) in r.Assignments)
                text.Append($"assignment {r.Id} {name}: {a.Revision.Number} {a.Revision.Digest} g{a.Generation} sent g{a.SentGeneration}@{a.SentAt} reported {a.Reported} good {a.LastGood}\n");
            foreach (var digest in r.Rejections)
                text.Append($"rejection {r.Id} {digest}\n");
        }

        foreach (var o in Rollouts)
        {
            text.Append($"rollout {o.Key}: {o.State} ends {o.EndsAs} touched {o.TouchedAt} due {o.NextDueAt}")
                .Append($" of {o.RollbackOf?.Key} by {o.RolledBackBy?.Key}, counts {string.Join(' ', o.Counters)}\n");
            foreach (var t in o.Targets.Values)
                text.Append($"target {o.Key} {t.RuntimeId}: {t.State} g{t.Generation} {t.Digest} attempts {t.Attempts} former {t.Former} given back {t.GivenBack} {t.DispatchedAt}-{t.DeadlineAt}\n");
        }

        for (var i = 0; i < actions.Count; i++)
            text.Append($"action {i}: {actions[i].Kind} {actions[i].Rollout.Key} {actions[i].Accepted}\n");
        return string.Join('\n', text.ToString().TrimEnd('\n').Split('\n').Order(StringComparer.Ordinal));
    }
}
