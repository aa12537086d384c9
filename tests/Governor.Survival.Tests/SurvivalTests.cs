namespace Governor.Survival.Tests;

public sealed class SurvivalTests
{
    [Fact]
    public void Given_any_history_When_the_faults_stop_Then_every_runtime_holds_what_the_Director_assigned_last() =>
        Survival.Check(histories: 3000, (history, trace) => new World(history, trace: trace).Run());
}
