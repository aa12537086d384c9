using Governor.Survival.Tests.Model;

namespace Governor.Survival.Tests;

/// <summary>That the histories are worth something: without any one rule of the protocol they find a counterexample.</summary>
public sealed class RuleTests(ITestOutputHelper output)
{
    private const int Histories = 1000;

    /// <summary>Fixed, so that a rule is not found by luck; near a counterexample where these are rare, so that the search is short.</summary>
    private static readonly Dictionary<Rule, ulong> FirstSeeds = new()
    {
        [Rule.AnOutcomeOutweighsTheDigest] = 500,
        [Rule.HoldingsOutliveARegistration] = 420,
        [Rule.RevocableWaitsForRestoredRuntimes] = 860,
        [Rule.WhatWasSentMayBeHeldUntilALaterReport] = 960,
    };

    [Theory]
    [MemberData(nameof(Rules))]
    public void Given_a_rule_that_does_not_hold_When_histories_run_Then_one_of_them_is_a_counterexample(string rule)
    {
        var without = Enum.Parse<Rule>(rule);
        var found = Survival.Find(
            FirstSeeds.GetValueOrDefault(without, 1ul), Histories, (history, trace) => new World(history, without, trace: trace).Run());

        Assert.True(found is not null, $"{Histories} histories found nothing wrong without the rule {rule}.");
        Assert.IsType<CounterexampleException>(found.Value.Failure);
        output.WriteLine($"seed {found.Value.Seed}: {found.Value.Failure.Message}");
    }

    public static TheoryData<string> Rules() => [.. Enum.GetNames<Rule>().Except([nameof(Rule.RevocableIsNotWhatIsAssigned)])];

    /// <summary>Too much has to come together for histories to find it soon: a hint is lost, and the next rotation takes long.</summary>
    [Fact]
    public void Given_a_version_that_is_assigned_and_was_never_sent_When_nobody_holds_it_Then_it_is_not_revocable()
    {
        var (policy, slowly) = (new Policy(null, 0, 25), new Policy(null, 0, 60));
        var history = new History(Runtimes: 3, Configurations: 1,
        [
            new Register(0, "a"), new Register(1, "a"), new Rotate(0, policy), new Advance(12), new Flow(4),
            new Update(0, new Content(Content.Everywhere, 0, "p@k0", null, null), policy), new Flow(4),
            new AgentAway(2, 35), new Register(2, "a"), new Flow(2),
            new Rotate(0, policy), new Flow(2), new Lose(0), new AgentAway(0, 100), new Rotate(0, slowly), new Flow(1),
            new Advance(40), new Flow(3),
        ]);

        new World(history).Run();
        var found = Assert.Throws<CounterexampleException>(() => new World(history, Rule.RevocableIsNotWhatIsAssigned).Run());
        Assert.Equal("a version is sent after it was announced as revocable", found.Invariant);
    }
}
