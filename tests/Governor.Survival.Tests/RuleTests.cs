using Governor.Survival.Tests.Model;

namespace Governor.Survival.Tests;

/// <summary>That the histories are worth something: without any one rule of the protocol they find a counterexample.</summary>
public sealed class RuleTests(ITestOutputHelper output)
{
    private const int Histories = 1000;

    /// <summary>Fixed, so that a rule is not found by luck.</summary>
    private const ulong FirstSeed = 1;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Given_a_rule_that_does_not_hold_When_histories_run_Then_one_of_them_is_a_counterexample(string rule)
    {
        var found = Survival.Find(FirstSeed, Histories, (history, trace) => new World(history, Enum.Parse<Rule>(rule), trace: trace).Run());

        Assert.True(found is not null, $"{Histories} histories found nothing wrong without the rule {rule}.");
        Assert.IsType<CounterexampleException>(found.Value.Failure);
        output.WriteLine($"seed {found.Value.Seed}: {found.Value.Failure.Message}");
    }

    public static TheoryData<string> Rules() => [.. Enum.GetNames<Rule>()];
}
