namespace Governor.Survival.Tests;

public sealed class SurvivalTests
{
    [Fact]
    public void Given_any_history_When_the_faults_stop_Then_every_runtime_holds_what_the_Director_assigned_last() =>
        Survival.Check(histories: 3000, (history, trace) => new World(history, trace: trace).Run());

    [Fact]
    public void Given_any_seed_When_its_history_is_made_Then_enough_happens_in_it()
    {
        for (var seed = 1UL; seed <= 200; seed++)
        {
            var history = Survival.Of(seed);
            Assert.InRange(history.Runtimes, 3, 5);
            Assert.InRange(history.Configurations, 2, 3);
            Assert.True(history.Steps.Count(s => s.IsOperation) - history.Runtimes >= 20, "The registrations at its beginning do not count.");
            Assert.Contains(history.Steps, s => s.IsFault);
        }
    }
}
