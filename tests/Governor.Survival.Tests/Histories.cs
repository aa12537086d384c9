using FsCheck;
using FsCheck.Fluent;
using Governor.Director.Drift;

namespace Governor.Survival.Tests;

/// <summary>Histories at random: at least 3 runtimes, 2 configurations, 20 operations and one fault.</summary>
internal static class Histories
{
    private static readonly Gen<int> Number = Gen.Choose(0, 1000);

    private static readonly Gen<string> Plain = Gen.Frequency((6, Gen.Elements("p", "q", "s")), (1, Gen.Elements(Content.Bad, Content.Odd)));

    private static readonly Gen<string?> Value = Gen.Frequency(
        (5, Gen.Constant<string?>(null)),
        (4, Plain.Select(value => (string?)value)),
        (3, from value in Plain from credential in Gen.Elements("k0", "k1") select (string?)$"{value}{Content.Refers}{credential}"));

    private static readonly Gen<Content> Contents =
        from region in Gen.Elements(Content.Everywhere, Content.Everywhere, "a", "b")
        from priority in Gen.Elements(0, 0, 1)
        from x in Value
        from y in Value
        from z in Value
        select new Content(region, priority, x, y, z);

    private static readonly Gen<Policy> Policies =
        from concurrency in Gen.Elements<int?>(null, null, 1, 2)
        from failures in Gen.Elements(0, 0, 1, 9)
        from deadline in Gen.Elements(10, 25, 25, 60)
        select new Policy(concurrency, failures, deadline);

    private static readonly Gen<Step> Operation = Gen.Frequency(
        (9, from c in Number from content in Contents from policy in Policies select (Step)new Update(c, content, policy)),
        (1, from c in Number from policy in Policies select (Step)new Delete(c, policy)),
        (3, from r in Number from region in Gen.Elements("a", "b") select (Step)new Relabel(r, region)),
        (3, from r in Number from region in Gen.Elements("a", "b") select (Step)new Register(r, region)),
        (1, from r in Number from force in Gen.Elements(true, false) select (Step)new Deregister(r, force)),
        (3, from k in Number from policy in Policies select (Step)new Rotate(k, policy)),
        (2, from r in Number select (Step)new TrustKey(r)),
        (3, from pick in Number select (Step)new Abort(pick)),
        (3, from pick in Number select (Step)new RollBack(pick)),
        (1, from mode in Gen.Elements(DriftMode.Off, DriftMode.Detect, DriftMode.Heal) select (Step)new SetMode(mode)));

    private static readonly Gen<Step> Motion = Gen.Frequency(
        (4, from rounds in Gen.Choose(1, 3) select (Step)new Flow(rounds)),
        (4, from pick in Number select (Step)new Deliver(pick)),
        (3, from seconds in Gen.Choose(1, 12) select (Step)new Advance(seconds)));

    private static readonly Gen<Step> Fault = Gen.Frequency(
        (3, from pick in Number select (Step)new Lose(pick)),
        (3, from pick in Number select (Step)new Duplicate(pick)),
        (3, from pick in Number select (Step)new Delay(pick)),
        (3, from committed in Gen.Elements(true, false) select (Step)new DirectorDies(committed)),
        (1, from seconds in Gen.Choose(5, 50) select (Step)new DirectorsDown(seconds)),
        (3, from r in Number from death in Gen.Elements(Enum.GetValues<Death>()) select (Step)new AgentDies(r, death)),
        (2, from r in Number from seconds in Gen.Elements(5, 20, 50, 100, 1_000_000) select (Step)new AgentAway(r, seconds)),
        (2, from r in Number select (Step)new ApplyFails(r)),
        (1, from r in Number select (Step)new QueueDeleted(r)),
        (2, from r in Number from pick in Number from remove in Gen.Elements(true, false) select (Step)new Tamper(r, pick, remove)),
        (1, from r in Number from pick in Number select (Step)new TamperWithSecret(r, pick)),
        (1, from r in Number select (Step)new FormerSecretStays(r)),
        (2, from r in Number select (Step)new KeyLost(r)),
        (1, Gen.Constant((Step)new BackUp())),
        (1, Gen.Constant((Step)new Restore())),
        (1, Gen.Constant((Step)new BrokerWiped())));

    private static readonly Gen<Step> Between = Gen.Frequency((4, Motion), (1, Fault));

    /// <param name="mostOperations">Most operations of one.</param>
    public static Gen<History> Any(int mostOperations) =>
        from runtimes in Gen.Choose(3, 5)
        from configurations in Gen.Choose(2, 3)
        from regions in Gen.ListOf(Gen.Elements("a", "b"), runtimes)
        from count in Gen.Choose(20, mostOperations)
        from chapters in Gen.ListOf(Chapter, count)
        from fault in Fault
        from at in Gen.Choose(0, count - 1)
        select new History(runtimes, configurations,
        [
            .. regions.Select((region, i) => (Step)new Register(i, region)),
            new Rotate(0, new Policy(null, 0, 25)),
            new Rotate(1, new Policy(null, 0, 25)),
            new Flow(2),
            .. chapters.SelectMany((chapter, i) => i == at ? chapter.Append(fault) : chapter),
        ]);

    private static Gen<IEnumerable<Step>> Chapter =>
        from operation in Operation
        from count in Gen.Choose(0, 5)
        from between in Gen.ListOf(Between, count)
        select between.Prepend(operation);

    /// <summary>The same history without some of its steps.</summary>
    public static IEnumerable<History> Smaller(History history)
    {
        for (var size = history.Steps.Length / 2; size >= 1; size /= 2)
        {
            for (var at = 0; at + size <= history.Steps.Length; at += size)
                yield return history with { Steps = history.Steps.RemoveRange(at, size) };
        }

        if (history.Runtimes > 1)
            yield return history with { Runtimes = history.Runtimes - 1 };
        if (history.Configurations > 1)
            yield return history with { Configurations = history.Configurations - 1 };
    }
}
