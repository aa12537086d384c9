using Governor.Director.Rollouts;

namespace Governor.Director.Tests.Rollouts;

public sealed class RolloutStateMachineTests
{
    private static readonly RolloutStateMachine Machine = new();

    public static TheoryData<string> States =>
        [.. Machine.States.Select(state => state.Name).Where(name => name is not ("Initial" or "Final"))];

    [Theory]
    [MemberData(nameof(States))]
    public void Given_a_state_Then_it_says_what_it_does_with_every_event_that_can_arrive(string state) => Assert.Equal(
        Machine.Events.Select(e => e.Name).Order(StringComparer.Ordinal),
        Machine.NextEvents(Machine.GetState(state)).Select(e => e.Name).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));

    [Fact]
    public void Given_the_states_as_they_are_stored_Then_the_machine_has_them_all() => Assert.Equal(
        RolloutStates.All.Order(StringComparer.Ordinal),
        States.Select(state => state.Data).Order(StringComparer.Ordinal));
}
